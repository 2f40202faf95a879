"""The README and docs/benchmarks.md tell of the same run."""

from __future__ import annotations

import re

from tests.conftest import ROOT

README = (ROOT / "README.md").read_text(encoding="utf-8")
PAGE = (ROOT / "docs" / "benchmarks.md").read_text(encoding="utf-8")
TITLES = {  # the README's words: the page's
    "Foresail": "Foresail, untuned",
    "HPA's rule on requests in flight": "HPA's rule, in flight, 80 %",
    "HPA's rule on our work signal": "HPA's rule, work, 80 %",
    "static, sized for the peak afterwards": "static, sized for the peak",
}


def cells(line: str) -> list[str]:
    """Of a row, without emphasis and ranges."""
    plain = re.sub(r"\*\*|\(.*?\)", "", line)
    return [" ".join(cell.split()) for cell in plain.strip("|").split("|")]


def ten_minutes() -> dict[str, list[str]]:
    """The page's row of each policy."""
    part = PAGE.partition("### Ten minutes, start-up 45 s\n")[2].partition("\n\n#")[0]
    return {cells(line)[0]: cells(line)[1:] for line in part.splitlines() if line.startswith("| ")}


def readme_row(title: str) -> list[str]:
    [row] = re.findall(rf"^  {re.escape(title)}  +(.*)$", README, re.MULTILINE)
    return re.split(r"  +", row)


def test_the_table_of_the_readme_is_that_of_the_page() -> None:
    measured = ten_minutes()
    for title, name in TITLES.items():
        violated, attainment, gpu_seconds, changes, ttft, *_ = measured[name]
        hours = f"{int(gpu_seconds.replace(',', '')) / 3600:.2f}"
        assert readme_row(title) == [attainment, violated, hours, changes, ttft], title


def test_both_tell_of_the_same_number_of_requests() -> None:
    [requests] = re.findall(r"violated of ([\d,]+) ", PAGE)
    assert f"{requests} requests of the same demand" in README


def hour() -> dict[str, list[str]]:
    part = PAGE.partition("| an hour, 45 s |")[2].partition("\n\n")[0]
    return {cells(line)[1]: cells(line)[2:] for line in f"| |{part}".splitlines()}


def test_every_rule_that_the_hour_is_compared_with_has_a_row() -> None:
    measured = hour()
    compared = set(re.findall(r"that rule at (\d+) %", PAGE.partition("The hour is the last one")[2]))
    assert compared
    for target in compared:
        foresail, rule = (
            int(measured[name][2].replace(",", "")) for name in ("Foresail", f"HPA's rule, work, {target} %")
        )
        assert foresail < rule  # "costs less"
