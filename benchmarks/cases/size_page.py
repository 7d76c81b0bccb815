"""The page of training at size: what each run cost, and how good its model is."""

from typing import Any

from cases.size_case import KINDS, NUMBERS

SIZE_HEAD = ("run", "rows that train", "peak memory", "time", "AUC", "log loss", "slope")
REMEDY_HEAD = (*SIZE_HEAD, "log loss, raw", "slope, raw", "mean, raw")


def cells(what: str, one: dict[str, Any], *, remedy: bool = False) -> list[str]:
    """A line of a table; raw are the model's own probabilities, before calibration."""
    found = [what, f"{one['trained']:,}", f"{one['peak']:.1f} GiB", f"{one['seconds']:,.0f} s"]
    found += [f"{one['auc']:.4f}", f"{one['log_loss']:.5f}", f"{one['slope']:.3f}"]
    if remedy:
        found += [f"{one['raw_log_loss']:.5f}", f"{one['raw_slope']:.3f}"]
        found += [f"{one['raw_ratio']:.3f}"]
    return found


def table(head: tuple[str, ...], lines: list[list[str]]) -> list[str]:
    """Markdown."""
    rule = ["---", *["---:"] * (len(head) - 1)]
    return [f"| {' | '.join(line)} |" for line in ([*head], rule, *lines)]


def page(kept: dict[str, Any]) -> str:
    """All results there are."""
    text = ["# Training at size", "", ABOUT.format(numbers=NUMBERS, kinds=KINDS), ""]
    text += table(SIZE_HEAD, [cells(what, one) for what, one in kept["size"].items()])
    text += ["", REMEDIES, ""]
    lines = [cells(what, one, remedy=True) for what, one in kept["remedies"].items()]
    text += table(REMEDY_HEAD, lines)
    found = kept.get("whole", {})
    text += ["", WHOLE, "", *whole(found)] if found else []
    text += ["", "How each was run:", ""]
    runs = [*kept["size"].items(), *kept["remedies"].items()]
    runs += [(f"whole, {what}", one) for what, one in found.items()]
    text += [f"- {what}: {one['run']}" for what, one in runs]
    return "\n".join([*text, ""])


def whole(kept: dict[str, Any]) -> list[str]:
    """Runs side by side: what each step took, then all, and what came of those that ended."""
    lines = []
    for verb in ("build", "train"):
        runs = [one.get(verb, {"steps": []}) for one in kept.values()]
        steps = [{step["step"]: step for step in run["steps"]} for run in runs]
        names = dict.fromkeys(name for found in steps for name in found)
        lines += [[f"{verb}: {n}", *(spent(found.get(n)) for found in steps)] for n in names]
    runs = [one.get("train", {}) for one in kept.values()]
    lines.append(["train: all", *(spent(run) if "grade" in run else "cut off" for run in runs)])
    for name in ("recipe", "grade", "auc", "log_loss", "slope"):
        values = [run.get(name, "") for run in runs]
        shown = [f"{value:.4f}" if isinstance(value, float) else value for value in values]
        lines.append([name.replace("_", " "), *shown])
    return table(("step", *kept), lines)


def spent(one: dict[str, Any] | None) -> str:
    """Seconds and peak memory; nothing where a run had no such step."""
    return f"{one['seconds']:,.0f} s, {one['peak']:.1f} GiB" if one else ""


def newest(one: dict[str, Any]) -> str:
    """The step that a whole run told last."""
    verb = "train" if "train" in one else "build"
    step = one[verb]["steps"][-1]
    return f"{verb}: {step['step']} | {spent(step)}"


ABOUT = """Made-up customers with {numbers} numbers and {kinds} categories, one of 300 values, at 25
dates that train; tested on the date after. Peak memory is that of the whole process (`VmHWM`), from
the frame's Parquet to the predictions of the test: encoding, the model and its calibration, the
logistic regression and LightGBM with defaults beside. Trees of 16 leaves, as many as the line
says; the cores are shared with other work, so times are upper bounds."""
REMEDIES = """What to do beyond, each against all rows. Raw is what the model itself says, before
its calibration: mean, raw is its mean probability over the share that left. LightGBM on machines is
its own distributed learning, two processes on this machine, and has no calibration."""
WHOLE = """A whole run of `retention build` and then of `retention train`, each in a process of its
own: dated snapshots of the same customers in Parquet, so many of their rows train. Each step with
its seconds and the peak of memory within it; three origins, metrics are means over them."""
