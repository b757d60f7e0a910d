"""Extraction: regexes over answers with the walrus, comprehensions filtered by answers, `%` and `.format`."""

from __future__ import annotations

import re
from asyncio import gather

from simulated import answered, ask, number


def amount(invoice: str) -> float | None:
    if (found := re.search(r"(\d+\.\d\d) EUR", ask(f"Amount in {invoice}?"))) is not None:
        return float(found.group(1))
    if (found := re.search(r"\d+", ask("Only digits, please: %s" % invoice))) is not None:  # noqa: UP031
        return float(found.group())
    return None


def program(invoices: list[str]) -> dict[str, object]:
    relevant = [one for one in invoices if ask("Is {} an invoice?".format(one)).lower() == "yes"]  # noqa: UP032
    amounts = {one: value for one in relevant if (value := amount(one)) is not None}
    languages = {ask(f"Language of {one}").strip() for one in invoices}
    total = sum(amounts.values())
    return {"amounts": amounts, "total": round(total, 2), "languages": sorted(languages)}


ARGUMENTS = ([f"document {i}" for i in range(8)],)


def reply(prompt: str) -> str:
    if prompt.startswith("Is"):
        return "Yes" if number(prompt, 3) else "no"
    if prompt.startswith("Language"):
        return f" {['en', 'de', 'fr'][number(prompt, 3)]}"
    if prompt.startswith("Amount") and number(prompt, 2):
        return "I see no amount."
    return f"It is {number(prompt, 500)}.{number(prompt, 90) + 10} EUR"


async def by_hand(invoices: list[str]) -> dict[str, object]:
    async def value(invoice: str) -> float | None:
        if (found := re.search(r"(\d+\.\d\d) EUR", await answered(f"Amount in {invoice}?"))) is not None:
            return float(found.group(1))
        found = re.search(r"\d+", await answered(f"Only digits, please: {invoice}"))
        return None if found is None else float(found.group())

    async def checked(invoice: str) -> float | None:
        return (
            await value(invoice) if (await answered(f"Is {invoice} an invoice?")).lower() == "yes" else None
        )

    values, languages = await gather(
        gather(*map(checked, invoices)), gather(*(answered(f"Language of {one}") for one in invoices))
    )
    amounts = {one: amount for one, amount in zip(invoices, values) if amount is not None}
    found = sorted({language.strip() for language in languages})
    return {"amounts": amounts, "total": round(sum(amounts.values()), 2), "languages": found}
