"""What simulated clients write in tickets, by how they feel.

The texts go through ingest's own reading like any client's words; none says more than a support desk sees every day.
"""

from __future__ import annotations

import numpy as np

HAPPY = (
    "Thanks for the quick help, the new dashboards are great and our team loves them. Could you show us the API too?",
    "Really happy with the last release. We plan to roll it out to a second team next quarter, what do we need?",
    "Excellent support as always. One small question: can reports be sent on Mondays?",
    "This works perfectly now, thank you! Is there a webinar on automations?",
)
NEUTRAL = (
    "How do we add a new user to the workspace?",
    "Please raise our export limit to 20 files a day.",
    "Can we change the colour of a chart in the weekly report?",
    "Where do we find the audit log for last month?",
    "Question about the time zone of scheduled reports.",
    "We would like to rename a workflow, is that possible?",
)
ANNOYED = (
    "The export is slow again and the report arrived late. This is getting annoying.",
    "Third time we report this problem. The sync fails and nobody tells us why.",
    "The alerts were wrong this week, which caused confusion in our team.",
    "Still waiting for an answer about the broken filter. Not good.",
)
ANGRY = (
    "This is still broken and we are very disappointed. We are losing trust and time, and nobody seems to care.",
    "Unacceptable. The automations failed again and our team has stopped using them.",
    "We are frustrated: the numbers are wrong, support is slow, and this has been a terrible month.",
    "Honestly this is awful and we are very unhappy. We are looking at alternatives: a competitor is cheaper.",
    "How do we export all our data? We want to cancel our plan at the end of the term.",
)
SUBJECTS = {"happy": "A question", "neutral": "A question", "annoyed": "Problem", "angry": "Serious problem"}
KINDS = {"happy": HAPPY, "neutral": NEUTRAL, "annoyed": ANNOYED, "angry": ANGRY}


def kind_of(mood: float) -> str:
    """The kind of words for a mood as `simulation` draws it (0 is all well)."""
    if mood > 0.7:
        return "happy"
    if mood > -0.7:
        return "neutral"
    return "annoyed" if mood > -1.7 else "angry"


def ticket(mood: float, rng: np.random.Generator) -> tuple[str, str]:
    """The kind of a ticket's words, and the words: subject, line break, description."""
    kind = kind_of(mood)
    texts = KINDS[kind]
    return kind, whole(kind, texts[int(rng.integers(len(texts)))])


def whole(kind: str, text: str) -> str:
    """Subject and description as one text, which is how ingest reads a ticket."""
    return f"{SUBJECTS[kind]}\n{text}"
