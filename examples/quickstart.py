"""A first workflow: declare calls, run them, and see what a failure says."""

import cascade as cs


@cs.task
def words(text: str) -> list[str]:
    return text.lower().split()


@cs.task
def longest(texts: list[list[str]]) -> str:
    return max((word for text in texts for word in text), key=len)


@cs.task
async def shout(word: str, times: int = 1) -> str:
    return word.upper() + "!" * times


@cs.task(mode="inline")
def ratio(part: int, whole: int) -> float:
    return part / whole


def main() -> None:
    # Nothing runs here: each call is a value that stands for its result.
    texts = [words("Cascade runs workflows"), words("from plain declarations")]
    word = longest(texts)

    print("one result:   ", cs.run(shout(word, times=2)))
    print("several:      ", cs.run({"word": word, "all": texts}))

    try:
        cs.run([shout(word), ratio(1, 0).named("share")])
    except ZeroDivisionError as error:
        print("a failure:    ", error)
        print("and its place:", *error.__notes__)


if __name__ == "__main__":
    main()
