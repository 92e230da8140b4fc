"""Small folders laid out like those of ../shared/data, made up here, and what the converters print of them."""

from __future__ import annotations

import csv
import gzip
import io
import json
from argparse import Namespace
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.bench.datasets import fightchurn, oulad, ravenstack
from tests.bench.datasets.lines import Left

MODULES: Mapping[str, Any] = {"fightchurn": fightchurn, "oulad": oulad, "ravenstack": ravenstack}
REAL = Path(__file__).resolve().parents[3] / "shared" / "data"

Rows = list[list[Any]]

TABLES: Mapping[str, Mapping[str, str]] = {
    "fightchurn": {
        "accounts": "account_id,channel,country",
        "subscriptions": "account_id,product,start_date,end_date,mrr,quantity,units,bill_period_months,discount",
        "churn_labels": "account_id,start_date,last_paid_to,churned,churn_date",
        "usage_daily": "account_id,day,event_type,count,value_sum",
        "active_users_daily": "account_id,day,users",
        "events_small": "account_id,event_time,event_type,user_id,event_value",
    },
    "oulad": {
        "subscriptions": "account_id,code_module,code_presentation,signup_date,start_date,term_end,cancel_date,"
        "num_of_prev_attempts,studied_credits,churned",
        "milestones": "code_module,code_presentation,id_assessment,assessment_type,weight,due_date",
        "events": "account_id,event_time,id_assessment,assessment_type,weight,due_date,score,event_type",
    },
    "ravenstack": {
        "accounts": "account_id,account_name,industry,country,signup_date,referral_source,plan_tier,seats,is_trial,"
        "churn_flag",
        "subscriptions": "subscription_id,account_id,start_date,end_date,plan_tier,seats,mrr_amount,arr_amount,"
        "is_trial,upgrade_flag,downgrade_flag,churn_flag,billing_frequency,auto_renew_flag",
        "feature_usage": "usage_id,subscription_id,usage_date,feature_name,usage_count,usage_duration_secs,error_count,"
        "is_beta_feature",
        "support_tickets": "ticket_id,account_id,submitted_at,closed_at,resolution_time_hours,priority,"
        "first_response_time_minutes,satisfaction_score,escalation_flag",
        "churn_events": "churn_event_id,account_id,churn_date,reason_code,refund_amount_usd,preceding_upgrade_flag,"
        "preceding_downgrade_flag,is_reactivation,feedback_text",
    },
}

CONTENT: Mapping[str, Mapping[str, Rows]] = {
    "fightchurn": {
        # 1 goes up a plan, renews two days late, and leaves; 2 stays past what is known; 3 drops an add-on; 4 comes
        "accounts": [[1, "web", "NY"], [2, "appstore1", ""], [3, "web", "CA"], [4, "web", "TX"]],
        "subscriptions": [
            [1, "basic", "2023-01-01", "2023-02-01", 100, 5, "users", 1, 0],
            [1, "standard", "2023-02-01", "2023-03-01", 500, 25, "users", 1, 0],
            [1, "standard", "2023-03-03", "2023-04-03", 500, 25, "users", 1, 0],
            [2, "basic", "2023-01-15", "2023-04-15", 90.5, 5, "users", 3, 0.1],
            [3, "basic", "2023-01-10", "2023-05-10", 100, 5, "users", 4, 0],
            [3, "meetings", "2023-01-10", "2023-02-10", 300, 5000, "schedule_meeting", 1, 0],
            [4, "basic", "2023-02-20", "2023-08-20", 100, 5, "users", 6, 0],
        ],
        "churn_labels": [
            [1, "2023-01-01", "2023-04-03", 1, "2023-04-03"],
            [2, "2023-01-15", "2023-04-15", 0, ""],
            [3, "2023-01-10", "2023-05-10", 0, ""],
            [4, "2023-02-20", "2023-08-20", 0, ""],
        ],
        "usage_daily": [
            [1, "2023-01-01", "search", 7, ""],
            [1, "2023-01-01", "quote", 2, 10.5],
            [3, "2023-01-10", "search", 1, ""],
            [1, "2023-03-31", "search", 3, ""],
            [2, "2023-04-02", "search", 4, ""],
            [2, "2023-04-09", "search", 5, ""],
        ],
        "active_users_daily": [[1, "2023-01-01", 3], [3, "2023-01-10", 1], [2, "2023-04-02", 2]],
        "events_small": [
            [3, "2023-01-10 08:00:00", "search", 1, ""],
            [3, "2023-01-10 08:00:00", "search", 2, ""],
            [3, "2023-01-10 21:30:05", "quote", 1, 9],
        ],
    },
    "oulad": {
        # 11 withdraws, 12 signs up late and finishes, 13 hands in before the start
        "subscriptions": [
            ["M-2013J-11", "M", "2013J", "2013-05-01", "2013-10-01", "2014-06-26", "2014-01-09", 0, 60, 1],
            ["M-2013J-12", "M", "2013J", "2013-11-05", "2013-10-01", "2014-06-26", "", 1, 30, 0],
            ["M-2014B-13", "M", "2014B", "", "2014-02-01", "2014-09-30", "", 0, 60, 0],
        ],
        "milestones": [
            ["M", "2013J", 101, "TMA", 10.0, "2013-10-20"],
            ["M", "2013J", 102, "CMA", 0.5, "2013-12-01"],
            ["M", "2014B", 201, "TMA", 100.0, "2014-03-01"],
            ["M", "2014B", 202, "Exam", 100.0, ""],
        ],
        "events": [
            ["M-2013J-11", "2013-10-19", 101, "TMA", 10.0, "2013-10-20", 81.5, "milestone_submitted"],
            ["M-2014B-13", "2013-12-20", 201, "TMA", 100.0, "2014-03-01", 70, "milestone_submitted"],
            ["M-2013J-12", "2014-01-08", 102, "CMA", 0.5, "2013-12-01", "", "milestone_submitted"],
        ],
    },
    "ravenstack": {
        # A-1 leaves, comes back and leaves again; A-2 is used before it signs up
        "accounts": [
            ["A-1", "Company_1", "EdTech", "US", "2023-02-01", "ads", "Pro", 9, "False", "True"],
            ["A-2", "Company_2", "FinTech", "DE", "2023-06-01", "ads", "Pro", 9, "True", "False"],
        ],
        "subscriptions": [
            ["S-1", "A-1", "2023-02-03", "2023-04-30", "Pro", 9, 120, 1440, "False", "True", "False", "True", "monthly",
             "True"],
            ["S-2", "A-1", "2023-08-01", "", "Basic", 4, 60, 720, "False", "False", "True", "False", "annual", "True"],
            ["S-3", "A-2", "2023-06-02", "", "Pro", 9, 0, 0, "True", "False", "False", "False", "monthly", "True"],
        ],
        "feature_usage": [
            ["U-1", "S-3", "2023-05-20", "feature_2", 4, 100, 0, "False"],
            ["U-2", "S-1", "2023-02-05", "feature_1", 9, 100, 1, "True"],
            ["U-2", "S-1", "2023-02-05", "feature_1", 9, 77, 0, "False"],
        ],
        "support_tickets": [
            ["T-1", "A-1", "2023-03-01", "2023-03-05 03:00:00", 99, "medium", 30, 4.0, "False"],
            ["T-2", "A-1", "2023-03-02", "2023-03-02 05:00:00", 5, "urgent", 1440, "", "True"],
        ],
        "churn_events": [
            ["C-1", "A-1", "2023-05-02", "pricing", 4.03, "False", "False", "False", "too expensive"],
            ["C-2", "A-1", "2023-09-09", "budget", 0.0, "False", "False", "True", ""],
        ],
    },
}  # fmt: skip


def write(folder: Path, data: str, content: Mapping[str, Rows] | None = None, *, packed: bool = True) -> Path:
    """A folder of that data set; what `content` lacks is as in CONTENT. Returns it."""
    folder.mkdir(parents=True, exist_ok=True)
    for table, header in TABLES[data].items():
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(header.split(","))
        writer.writerows((content or {}).get(table, CONTENT[data][table]))
        whole = text.getvalue().encode()
        (folder / f"{table}.csv{'.gz' if packed else ''}").write_bytes(gzip.compress(whole) if packed else whole)
    return folder


def lines(data: str, folder: Path, left: Left | None = None, **options: Any) -> Iterable[str]:
    """What its converter prints."""
    given = Namespace(**{"clients": None, "until": None, "raw": False, "presentation": None, **options})
    printed: Iterable[str] = MODULES[data].convert(folder, given, left or Left())
    return printed


def events(data: str, folder: Path, **options: Any) -> list[dict[str, Any]]:
    return [json.loads(line) for line in lines(data, folder, **options)]


def told(events: Sequence[Mapping[str, Any]], client: str, *kinds: str) -> list[tuple[str, str, dict[str, Any]]]:
    """(time, kind, data) of one client's events, all or of some kinds."""
    return [
        (e["time"], kind, e["data"])
        for e in events
        if e["subject"].endswith(f":account:{client}") and ((kind := e["type"].split(".")[2]) in kinds or not kinds)
    ]
