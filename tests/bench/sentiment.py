"""How well words are read: `python -m tests.bench.sentiment`, on messages that nobody here wrote or tuned anything on.

4,422 Stack Overflow messages labelled by people (Senti4SD, ../shared/data/sentiment). Plain VADER, our reader and, as
a mark of what supervised learning reaches on the same kind of text, TF-IDF with a logistic regression that was
trained on four fifths of it; all in one run, the last fifth (seed 0) shown apart because only there all three can be
compared. Nothing of ours is trained or tuned on these messages: a rule or a word learnt here would make the figures
worthless.
"""

from __future__ import annotations

import json
import os
import platform
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from common.settings import REPOSITORY_CONFIG
from ingest.reading import make_reader
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, confusion_matrix, f1_score
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from vaderSentiment.vaderSentiment import SentimentIntensityAnalyzer

DATA = Path(__file__).parents[3] / "shared" / "data" / "sentiment" / "stackoverflow.tsv"
RESULTS = Path(__file__).parent / "results" / "sentiment.json"
SHORT = Path(__file__).parent / "short_messages.tsv"
"""Messages of a few words in twelve languages, written here. The reader's preference of English was chosen on them."""
LABELS = {"negative": -1, "neutral": 0, "positive": 1}
THRESHOLD = 0.05
"""VADER's authors' own: a compound from here on is positive, below its negative is negative."""
ALARMS = {"cancel_intent", "competitor", "budget_down", "budget_freeze", "legal"}
"""Topics that no Stack Overflow message means: each hit is a false alarm."""
REPEATS = 3


def messages(path: Path = DATA) -> tuple[list[str], list[int]]:
    """Texts and labels −1, 0, 1."""
    rows = [line.rstrip("\n").rsplit("\t", 1) for line in path.read_text(encoding="utf-8").splitlines()]
    return [text for text, _ in rows], [LABELS[label] for _, label in rows]


def told_apart(language: Callable[[str], str | None]) -> dict[str, int]:
    """Of how many short messages it is told rightly whether they are English."""
    rows = [line.split("\t") for line in SHORT.read_text(encoding="utf-8").splitlines()]
    right = sum((language(text) in {"en", None}) == (code == "en") for text, code in rows)
    return {"n": len(rows), "right": right}


def label(sentiment: float | None) -> int:
    if sentiment is None or abs(sentiment) < THRESHOLD:
        return 0
    return 1 if sentiment > 0 else -1


def scored(truth: Sequence[int], told: Sequence[int]) -> dict[str, Any]:
    return {
        "n": len(truth),
        "accuracy": round(float(accuracy_score(truth, told)), 4),
        "macro_f1": round(float(f1_score(truth, told, average="macro")), 4),
        "confusion": confusion_matrix(truth, told, labels=[-1, 0, 1]).tolist(),
    }


def measure() -> dict[str, Any]:
    texts, truth = messages()
    reader, plain = make_reader(REPOSITORY_CONFIG), SentimentIntensityAnalyzer()
    seconds = []
    for _ in range(REPEATS):
        began = time.process_time()
        readings = [reader.read(text) for text in texts]
        seconds.append(time.process_time() - began)
    told = {
        "plain VADER": [label(plain.polarity_scores(text)["compound"]) for text in texts],
        "ours": [label(reading.sentiment) for reading in readings],
    }
    train, last = train_test_split(range(len(texts)), test_size=0.2, random_state=0, stratify=truth)
    learnt = make_pipeline(TfidfVectorizer(ngram_range=(1, 2), min_df=2), LogisticRegression(max_iter=1000, C=10))
    learnt.fit([texts[n] for n in train], [truth[n] for n in train])
    told_last = {name: [labels[n] for n in last] for name, labels in told.items()}
    told_last["TF-IDF + logistic regression"] = [int(value) for value in learnt.predict([texts[n] for n in last])]
    topics = Counter(topic for reading in readings for topic in reading.topics)
    return {
        "data": "Senti4SD, Stack Overflow",
        "model": reader.model,
        "whole": {name: scored(truth, labels) for name, labels in told.items()},
        "last_fifth": {name: scored([truth[n] for n in last], labels) for name, labels in told_last.items()},
        "short_messages": told_apart(reader.language),
        "not_english": sum(reading.language not in {"en", None} for reading in readings),
        "topics": dict(topics.most_common()),
        "false_alarms": sum(bool(ALARMS & {*reading.topics}) for reading in readings),
        "microseconds_per_message": round(min(seconds) / len(texts) * 1e6),
        "characters_per_message": round(sum(map(len, texts)) / len(texts)),
        "machine": {
            "measured_at": datetime.now(UTC).isoformat(timespec="seconds"),
            "processor": platform.processor() or platform.machine(),
            "cores": os.cpu_count(),
            "python": platform.python_version(),
            "load_before": os.getloadavg()[0],
        },
    }


def shown(result: dict[str, Any]) -> str:
    """Markdown, as it stands in docs/reading.md."""
    lines = ["| on | read by | messages | accuracy | macro-F1 |", "|---|---|---:|---:|---:|"]
    for key, name in (("whole", "all"), ("last_fifth", "last fifth")):
        for by, figures in result[key].items():
            lines.append(
                f"| {name} | {by} | {figures['n']:,} | {figures['accuracy']:.3f} | {figures['macro_f1']:.3f} |"
            )
    share = result["false_alarms"] / result["whole"]["ours"]["n"]
    alarms = f"False alarms: {result['false_alarms']} messages ({share:.1%}) with {', '.join(sorted(ALARMS))}."
    short = result["short_messages"]
    others = (
        f"Told as another language: {result['not_english']}; short ones told rightly: {short['right']} of {short['n']}."
    )
    time_taken = f"{result['microseconds_per_message']} µs a message of {result['characters_per_message']} characters"
    return "\n".join([*lines, "", f"{alarms} {others} Processor time: {time_taken}."])


def main() -> int:
    if not DATA.exists():
        print(f"{DATA.name} is not beside this checkout", file=sys.stderr)
        return 2
    result = measure()
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps(result, indent=2) + "\n")
    print(shown(result))
    return 0


if __name__ == "__main__":
    sys.exit(main())
