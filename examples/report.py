"""A report whose parameters are given on the command line.

As a script it makes one with values of its own; `cascade run examples/report.py:report -- --help`
lists what can be given.
"""

import cascade as cs

name = cs.Param("name", description="whom the report is for")
pages = cs.Param("pages", default=3, description="how many pages it has")
formal = cs.Param("formal", default=False, description="whether to be formal")


@cs.task
def page(number: int) -> int:
    return 100 + 10 * number


@cs.task
async def numbers(pages: int) -> list[int]:
    return list(range(1, pages + 1))


@cs.task
async def letter(name: str, formal: bool, words: list[int]) -> dict[str, object]:
    greeting = "Dear" if formal else "Hello"
    return {"greeting": f"{greeting} {name}", "pages": len(words), "words": sum(words)}


report = letter(name, formal, page.map(number=numbers(pages)))


if __name__ == "__main__":
    print(cs.run(report, params={"name": "Ada"}))
