"""All SQL of churn: `risks` (rows that are decided on), `decisions` (what was found and decided), `models`."""
