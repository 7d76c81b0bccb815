"""CRM exports: owners with their history, touches, and ids that join what billing knows.

No export of a CRM is among the data sets; these are small inventions with the columns that the
vendors write.
"""

from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from features.errors import ProjectError
from features.project import load_project
from features.staging import Staged, stage

Write = Callable[..., Path]
HEAD = 'name = "crm"\nrevenue_model = "subscription"\n'
SALESFORCE = {
    "Account": """Id,IsDeleted,Name,ParentId,BillingCountry,Industry,AccountSource,OwnerId,\
CreatedDate,LastModifiedDate,SystemModstamp,Billing_Id__c
001A,false,Acme,,DE,Retail,Web,005B,2021-01-10T09:00:00.000Z,2021-02-20T10:00:00.000Z,\
2021-03-01T00:00:00.000Z,c1
001B,false,Bolt,001A,FR,Energy,,005A,2021-02-01T09:00:00.000Z,2021-02-01T09:00:00.000Z,\
2021-03-01T00:00:00.000Z,c2
001C,false,Prospect,,FR,,,005A,2021-02-01T09:00:00.000Z,2021-02-01T09:00:00.000Z,\
2021-03-01T00:00:00.000Z,
001D,true,Gone,,FR,,,005A,2021-02-01T09:00:00.000Z,2021-02-01T09:00:00.000Z,\
2021-03-01T00:00:00.000Z,c1
""",
    "AccountHistory": """Id,IsDeleted,AccountId,CreatedById,CreatedDate,Field,OldValue,NewValue
017A,false,001A,005A,2021-02-20T10:00:00.000Z,Owner,005A,005B
017B,false,001A,005A,2021-02-20T10:00:00.000Z,Owner,Ann,Bob
017C,false,001B,005A,2021-02-21T10:00:00.000Z,Industry,Gas,Energy
""",
    "Task": """Id,IsDeleted,WhoId,WhatId,AccountId,Subject,TaskSubtype,CallType,Status,IsClosed,\
ActivityDate,CompletedDateTime,CreatedDate
00T1,false,003A,,001A,Call,Call,Inbound,Completed,true,2021-02-03,2021-02-03T11:00:00.000Z,\
2021-02-03T10:00:00.000Z
00T2,false,003A,,001A,Mail,Email,,Completed,true,2021-02-04,,2021-02-06T10:00:00.000Z
00T3,false,003A,,001B,To do,Task,,Not Started,false,2021-04-04,,2021-02-06T10:00:00.000Z
00T4,false,003A,,001C,Mail,Email,,Completed,true,2021-02-04,,2021-02-04T10:00:00.000Z
""",
    "Event": """Id,IsDeleted,WhatId,AccountId,Subject,StartDateTime,EndDateTime,CreatedDate
00U1,false,,001A,Review,2021-02-25T09:00:00.000Z,2021-02-25T10:00:00.000Z,2021-02-01T10:00:00.000Z
00U2,false,,001A,Review,2021-05-25T09:00:00.000Z,2021-05-25T10:00:00.000Z,2021-02-01T10:00:00.000Z
""",
}
BILLING = {
    "customer": "id,created,name,email,currency\n"
    "c1,2021-01-15 00:00:00,ACME GmbH,a@acme.test,eur\nc2,2021-02-02 00:00:00,,b@bolt.test,eur\n",
}


def table(staged: Staged, name: str) -> pd.DataFrame:
    order = ["customer_id", "occurred_at"]
    return pd.read_parquet(staged.tables[name]).sort_values(order, ignore_index=True)


def test_owners_have_a_history_and_touches_are_what_was_done(write_project: Write) -> None:
    staged = stage(load_project(write_project(HEAD + 'source = "salesforce"\n', **SALESFORCE)))
    customers = table(staged, "customers")
    acme = customers[customers["customer_id"] == "001A"]
    assert acme["owner_id"].tolist() == ["005A", "005B"]
    assert acme["known_at"].tolist() == [
        pd.Timestamp("2021-01-10 09:00"),
        pd.Timestamp("2021-02-20 10:00"),
    ]
    assert set(customers["customer_id"]) == {"001A", "001B", "001C"}  # a deleted account is not
    assert customers.set_index("customer_id").loc["001B", "parent_id"] == "001A"
    touches = table(staged, "touches")
    shown = touches[["customer_id", "channel", "direction"]].to_numpy().tolist()
    assert shown == [
        ["001A", "call", "in"],
        ["001A", "email", "out"],
        ["001A", "meeting", "out"],
        ["001C", "email", "out"],
    ]
    mail = touches.iloc[1]  # noted two days after it was sent
    assert (mail["known_at"] - mail["occurred_at"]).days == 2
    assert staged.counts["touches"].filtered == 2  # a to-do and a meeting that is planned


def test_without_a_history_the_owner_is_known_from_the_last_change(write_project: Write) -> None:
    alone = {"Account": SALESFORCE["Account"]}
    staged = stage(load_project(write_project(HEAD + 'source = "salesforce"\n', **alone)))
    acme = table(staged, "customers")
    acme = acme[acme["customer_id"] == "001A"]
    owners = [None if pd.isna(owner) else owner for owner in acme["owner_id"]]
    assert owners == [None, "005B"]


def test_a_crm_joins_billing_by_the_id_it_keeps(write_project: Write) -> None:
    toml = HEAD + 'source = ["stripe", "salesforce"]\n'
    with pytest.raises(ProjectError, match=r"vendors\.salesforce\.external_id is missing"):
        load_project(write_project(toml, **SALESFORCE, **BILLING))
    toml += '[vendors.salesforce]\nexternal_id = "Billing_Id__c"\n'
    staged = stage(load_project(write_project(toml, **SALESFORCE, **BILLING)))
    customers = table(staged, "customers")
    assert set(customers["customer_id"]) == {"c1", "c2"}
    acme = customers[customers["customer_id"] == "c1"]
    # Billing's row comes between those of the CRM: each carries on what was known before it.
    assert acme["owner_id"].tolist() == ["005A", "005A", "005B"]
    assert acme["segment"].tolist() == ["Retail"] * 3
    assert acme["email"].isna().tolist() == [True, False, False]
    assert acme["external_ids"].iloc[-1].count("001A") == 1
    assert '"stripe":"c1"' in acme["external_ids"].iloc[-1]
    bolt = customers[customers["customer_id"] == "c2"]
    assert bolt["parent_id"].iloc[-1] == "c1"  # the parent by the id of billing
    assert set(table(staged, "touches")["customer_id"]) == {"c1"}
    counts = staged.counts["touches"]
    assert (counts.rows_in, counts.filtered, counts.quarantined) == (6, 3, 0)


def test_hubspot_companies_and_activities(write_project: Write, tmp_path: Path) -> None:
    companies = (
        "Record ID,Company name,Company owner,Owner assigned date,Create Date,Last Modified Date,"
        "Country/Region,Industry,Billing id\n"
        "9001,Acme,Ann Lee,2024-02-20 10:00,2024-02-01 09:30,2024-03-01 12:00,Germany,Retail,c1\n"
        "9002,Bolt,Bo Moe,2024-02-01 09:30,2024-02-01 09:30,2024-03-01 12:00,France,,c2\n"
        "9003,Nobody,,,2024-02-01 09:30,2024-03-01 12:00,,,\n"
    )
    (tmp_path / "hubspot-crm-exports-all-calls-2024-03-02.csv").write_text(
        "Record ID,Activity date,Create date,Call direction,Associated Company IDs\n"
        "1,2024-02-03 10:00,2024-02-04 10:00,Inbound,9001;9002\n"
        "2,2024-02-05 10:00,2024-02-05 10:00,Outbound,9003\n",
        encoding="utf-8",
    )
    (tmp_path / "all-meetings.csv").write_text(
        "Record ID,Activity date,Meeting start time,Meeting outcome,Associated Company IDs\n"
        "3,2024-02-06 10:00,2024-02-07 10:00,Completed,9001\n"
        "4,2024-02-06 10:00,2024-02-09 10:00,No show,9001\n",
        encoding="utf-8",
    )
    toml = HEAD + 'timezone = "Europe/Berlin"\nsource = "hubspot"\n'
    toml += '[vendors.hubspot]\nexternal_id = "Billing id"\n'
    staged = stage(load_project(write_project(toml, **{"all-companies": companies})))
    customers = table(staged, "customers")
    assert customers["customer_id"].tolist() == ["c1", "c1", "c2"]
    owners = [None if pd.isna(owner) else owner for owner in customers["owner_id"]]
    assert owners == [None, "Ann Lee", "Bo Moe"]
    # The account's own time zone, an hour before UTC.
    assert customers["occurred_at"].iloc[0] == pd.Timestamp("2024-02-01 08:30")
    assert customers["external_ids"].iloc[0] == '{"hubspot":"9001"}'
    touches = table(staged, "touches")
    shown = touches[["customer_id", "channel", "direction"]].to_numpy().tolist()
    assert shown == [["c1", "call", "in"], ["c1", "meeting", "out"], ["c2", "call", "in"]]
    assert touches["known_at"].iloc[0] == pd.Timestamp("2024-02-04 09:00")
    assert staged.counts["touches"].filtered == 2


def test_a_backdated_row_of_one_vendor_tells_the_other_nothing_before_it_was_known(
    write_project: Write, tmp_path: Path
) -> None:
    toml = HEAD + 'source = ["stripe", "mine.toml"]\n'
    (tmp_path / "mine.toml").write_text(
        '[inputs.owner]\nfiles = ["owner"]\n[[sources.customers]]\ninputs = ["owner"]\n'
        'query = "SELECT * FROM owner"\n',
        encoding="utf-8",
    )
    owner = "customer_id,occurred_at,known_at,owner_id\nc1,2021-01-01,2021-03-01,late\n"
    staged = stage(load_project(write_project(toml, owner=owner, **BILLING)))
    rows = table(staged, "customers").set_index(["customer_id", "occurred_at"])["owner_id"]
    assert rows["c1", pd.Timestamp("2021-01-01")] == "late"
    assert pd.isna(rows["c1", pd.Timestamp("2021-01-15")])
    assert rows["c1", pd.Timestamp("2021-03-01")] == "late"
