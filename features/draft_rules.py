"""What a file may be: one rule per canonical table, by names of columns and by their values."""

from collections import Counter

from features.draft_look import Look, LookedAt
from features.draft_source import Draft
from features.tables import TABLES

_ENTITIES = ("customer", "student", "member", "user", "client", "account", "loyalty", "subscriber")
_ID_WORDS = ("id", "number", "no", "key", "code", "nr")
_STARTS = ("start", "starts", "begin", "enrollment", "enrolment", "registered", "signup", "joined")
_ENDS = ("end", "ends", "cancellation", "canceled", "cancelled", "expiry", "closed", "terminated")
_AMOUNTS = ("amount", "dollar", "revenue", "value", "total", "price", "sales")
_QUANTITIES = ("quantity", "minutes", "duration", "total", "count", "number", "seconds", "units")
LABELS = ("churn", "churned", "exited", "attrition", "left")
_DAYS = {
    "weekly": 7,
    "monthly": 30,
    "month": 30,
    "quarterly": 91,
    "quarter": 91,
    "annual": 365,
    "yearly": 365,
    "year": 365,
}
_KINDS_OF_FILE = {
    "tickets": ("ticket", "support", "question", "case", "complaint"),
    "surveys": ("survey", "rating", "nps", "feedback", "review"),
    "payments": ("payment", "charge"),
    "invoices": ("invoice", "bill"),
    "touches": ("touch", "campaign", "call", "email"),
}


def customer_columns(files: list[LookedAt]) -> dict[str, str]:
    """The column that names customers, per file: the one that most files share."""
    names: Counter[str] = Counter()
    for file in files:
        for column in file.columns:
            if _names_customer(column):
                rank = next(i for i, e in enumerate(_ENTITIES) if e in column.words)
                names[_folded(column.name)] += 100 - rank
    chosen = {}
    for file in files:
        own = [c for c in file.columns if _names_customer(c)]
        if own:
            chosen[file.name] = max(own, key=lambda c: names[_folded(c.name)]).name
    return chosen


def _names_customer(column: Look) -> bool:
    return any(e in column.words for e in _ENTITIES) and (
        any(word in column.words for word in _ID_WORDS) or _folded(column.name) == "customerid"
    )


def _folded(name: str) -> str:
    return "".join(character for character in name.lower() if character.isalnum())


def _moment(file: LookedAt, source: Draft, wanted: str, words: tuple[str, ...] = ()) -> bool:
    """Fill a moment from a date column or a pair of year and month; False when there is none."""
    dates = [c for c in file.columns if c.is_date or c.is_compact_date]
    if words:
        dates = [c for c in dates if c.words & set(words)]
    how = source.settings.get("date_format")
    dates = [c for c in dates if how in {None, c.date_format}]
    if dates:
        source.columns[wanted] = dates[0].name
        if dates[0].date_format:
            source.settings["date_format"] = dates[0].date_format
        if dates[0].is_ambiguous:
            source.doubts.append(f"{dates[0].name} may have day and month the other way round")
        if len(dates) > 1:
            others = ", ".join(c.name for c in dates[1:])
            source.doubts.append(f"{dates[0].name} is {wanted}; other dates are {others}")
        return True
    for year in file.find("year"):
        month = next(
            (c for c in file.find("month") if year.words - {"year"} == c.words - {"month"}), None
        )
        if month and year.is_number and (not words or year.words & set(words)):
            source.expressions[wanted] = f'last_day(make_date("{year.name}", "{month.name}", 1))'
            source.doubts.append(f"{wanted} is known to the month: its last day")
            return True
    return False


def sources_of(file: LookedAt, customer: dict[str, str]) -> list[Draft]:
    """What one file may be: the first rule that fits."""
    if file.stem in TABLES and _is_canonical(file):
        return [Draft(file.stem, file)]
    if file.name not in customer:
        return []
    who = {"customer_id": customer[file.name]}
    for rule in (_snapshot, _purchase_log, _periods, _customers, _by_name, _orders, _usage):
        found = rule(file, who)
        if found:
            return found
    return []


def _is_canonical(file: LookedAt) -> bool:
    names = {column.name for column in file.columns}
    return {c.name for c in TABLES[file.stem].columns if c.required} <= names


def _snapshot(file: LookedAt, who: dict[str, str]) -> list[Draft]:
    """One row per customer with a label and no date."""
    label = next((c for c in file.find(*LABELS) if c.distinct == 2), None)
    identity = file.column(who["customer_id"])
    if label is None or identity is None or not identity.is_unique:
        return []
    if any(column.is_date for column in file.columns):
        return []
    source = Draft("snapshots", file, columns=dict(who))
    charges = [c for c in file.find("monthly", "charge", "fee") if c.is_number]
    if charges:
        source.columns["mrr"] = charges[0].name
        source.doubts.append(f"{charges[0].name} is what a customer pays a month")
    left_out = {label.name, who["customer_id"]}
    source.settings["attributes"] = [
        c.name for c in file.columns if c.name not in left_out and not c.is_unique
    ]
    source.doubts.append("drop attributes that were written because the customer left")
    return [source]


def _purchase_log(file: LookedAt, who: dict[str, str]) -> list[Draft]:
    """Purchases of Monthly, Quarterly, Annual: paid periods of 30, 91, 365 days."""
    plan = next(
        (c for c in file.columns if c.values and all(v.lower() in _DAYS for v in c.values)), None
    )
    source = Draft("subscriptions", file, columns=dict(who), settings={"shape": "periods"})
    ends = [c for c in file.columns if c.is_date and c.words & set(_ENDS)]
    if plan is None or ends or not _moment(file, source, "starts_at"):
        return []
    if "date_format" in source.settings:
        return []  # a text, to which no days can be added
    cases = " ".join(f"WHEN '{value}' THEN {_DAYS[value.lower()]}" for value in plan.values)
    source.columns["plan_id"] = plan.name
    _identify(source, "subscription_id")
    start = source.columns["starts_at"]
    source.expressions["ends_at"] = f'"{start}" + CASE "{plan.name}" {cases} END'
    source.doubts.append("each row is a paid period of 30, 91 or 365 days")
    return [source]


def _identify(source: Draft, wanted: str) -> None:
    """The id of a row: a unique column, else the customer's."""
    unique = [c for c in source.file.columns if c.is_unique and "id" in c.words]
    source.columns[wanted] = unique[0].name if unique else source.columns["customer_id"]


def _periods(file: LookedAt, who: dict[str, str]) -> list[Draft]:
    """A start and an end per row; where that is one row per customer, also the customers."""
    source = Draft("subscriptions", file, columns=dict(who), settings={"shape": "periods"})
    if not _moment(file, source, "starts_at", _STARTS):
        return []
    if not _moment(file, source, "ends_at", _ENDS):
        return []
    source.columns |= _number(file, "unit_amount", ("mrr", "price", "fee"), who)
    plans = [c for c in file.find("plan", "card", "tier", "type") if c.values]
    if plans:
        source.columns["plan_id"] = plans[0].name
        source.doubts.append(f"{plans[0].name} is the plan")
    else:
        source.constants["plan_id"] = "standard"
    _identify(source, "subscription_id")
    identity = file.column(who["customer_id"])
    return [source, *(_customers(file, who) if identity and identity.is_unique else [])]


def _customers(file: LookedAt, who: dict[str, str]) -> list[Draft]:
    """One row per customer."""
    identity = file.column(who["customer_id"])
    if identity is None or not identity.is_unique:
        return []
    source = Draft("customers", file, columns=dict(who))
    if not _moment(file, source, "occurred_at", _STARTS):
        _moment(file, source, "occurred_at")
    for wanted in ("country", "segment"):
        found = [c for c in file.find(wanted) if c.name != who["customer_id"]]
        if found:
            source.columns[wanted] = found[0].name
    used = {*source.columns.values()}
    static = [c.name for c in file.columns if c.values and c.name not in used and c.distinct > 1]
    left_out = {"cancellation", "year", "month", *LABELS}
    static = [name for name in static if not left_out & _words(file, name)]
    if static:
        source.settings["static"] = static
        source.doubts.append("drop what changes later, or was written because the customer left")
    return [source]


def _words(file: LookedAt, name: str) -> frozenset[str]:
    column = file.column(name)
    return column.words if column else frozenset()


def _by_name(file: LookedAt, who: dict[str, str]) -> list[Draft]:
    """Tables that the file's name tells: tickets, surveys, payments, invoices, touches."""
    table = next((t for t, words in _KINDS_OF_FILE.items() if file.words & set(words)), None)
    if table is None:
        return []
    source = Draft(table, file, columns=dict(who))
    if not _moment(file, source, "occurred_at"):
        return []
    if table == "tickets":
        _identify(source, "ticket_id")
        source.constants["change"] = "opened"
        source.doubts.append("every row opens a ticket")
    if table == "surveys":
        source.constants["kind"] = "csat"
        scores = [c for c in file.find("rating", "score", "answer") if c.is_number]
        source.columns |= {"score": scores[0].name} if scores else {}
    if table in {"payments", "invoices"}:
        _identify(source, f"{table[:-1]}_id")
        source.columns |= _number(file, "amount", _AMOUNTS, who)
    if table == "payments":
        source.constants["status"] = "succeeded"
        source.doubts.append("every payment succeeded")
    return [source]


def _number(
    file: LookedAt, wanted: str, words: tuple[str, ...], who: dict[str, str]
) -> dict[str, str]:
    """The column of numbers that is an amount, or a quantity, by its name."""
    found = [c for c in file.find(*words) if c.is_number and c.name not in who.values()]
    found = [c for c in found if not c.words & {"id", "year", "month"}]
    return {wanted: found[0].name} if found else {}


def _orders(file: LookedAt, who: dict[str, str]) -> list[Draft]:
    """A date and an amount per row."""
    amount = _number(file, "amount", _AMOUNTS[:-2], who)
    price = next((c.name for c in file.find("price") if c.is_number), None)
    pieces = _number(file, "quantity", ("quantity", "units", "cd"), who)
    named = file.words & {"order", "purchase", "transaction", "sale", "retail"}
    source = Draft("orders", file, columns=who | pieces | amount)
    if not (amount or price) or not (named or pieces) or not _moment(file, source, "occurred_at"):
        return []
    if not amount:
        factor = f'"{pieces["quantity"]}" * ' if pieces else ""
        source.expressions["amount"] = f'{factor}"{price}"'
        source.doubts.append("the amount is price times quantity")
    orders = [c for c in file.find("order", "invoice", "transaction") if not c.is_date]
    if orders:
        source.columns["order_id"] = orders[0].name
    if pieces:
        source.expressions["is_return"] = f'"{pieces["quantity"]}" < 0'
    identity = file.column(who["customer_id"])
    if identity and identity.filled < identity.rows:
        source.settings["where"] = f'"{identity.name}" IS NOT NULL'
        source.doubts.append("rows without a customer are filtered")
    return [source]


def _usage(file: LookedAt, who: dict[str, str]) -> list[Draft]:
    """A date per row."""
    source = Draft("usage", file, columns=who | _number(file, "quantity", _QUANTITIES, who))
    if file.column("as_of") or not _moment(file, source, "occurred_at"):
        return []  # a row per as-of is a table of features or answers, not of use
    if file.words & set(LABELS):
        return []  # who left is the answer, not a use
    events = [c for c in file.find("event", "action", "activity") if not c.is_number]
    events = [c for c in events if "id" not in c.words]
    if events:
        source.columns["event"] = events[0].name
    else:
        source.constants["event"] = file.stem
        source.doubts.append(f"every row is one kind of use, called {file.stem!r}")
    return [source]
