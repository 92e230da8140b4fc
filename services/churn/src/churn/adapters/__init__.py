"""What wraps outside libraries: XGBoost, scikit-learn, YAML, files of events."""
