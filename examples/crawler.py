"""A crawler that is polite: it follows all links of a site, at most so many requests a second."""

import asyncio
import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import cascade as cs
from cascade.providers import http
from cascade.runtime.events import TaskRetrying

PER_SECOND = 50

SITE = {
    "/": ["/fish", "/birds", "/news"],
    "/fish": ["/", "/fish/trout", "/fish/shark"],
    "/birds": ["/birds/owl", "/fish/shark"],
    "/news": ["/birds/owl", "/gone"],
    "/fish/trout": [],
    "/fish/shark": ["/fish"],
    "/birds/owl": ["/birds"],
}


@contextmanager
def serving(site: dict[str, list[str]], asked: list[str]) -> Iterator[str]:
    """Serve the site on this machine; the news are busy when they are asked for first."""
    busy = {"/news"}

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            status = 200 if self.path in site else 404
            if self.path in busy:
                busy.remove(self.path)
                status = 503
            self.send_response(status)
            self.end_headers()
            links = [f'<a href="{link}">' for link in site.get(self.path, ())]
            self.wfile.write("".join(links).encode())

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


async def crawl(address: str) -> int:
    """Follow all links from the start page on, and return how many addresses there are."""
    limits = cs.ResourceManager()
    limits.set_rate("site", per_second=PER_SECOND)
    bus = cs.MessageBus()
    bus.subscribe(
        TaskRetrying, lambda event: print("tried again after a", type(event.error).__name__)
    )
    engine = cs.Engine(resource_manager=limits, bus=bus)
    # This machine's own server is asked directly, whatever proxies there are.
    engine.register(http.client(base_url=address, trust_env=False))

    known, level = {"/"}, ["/"]
    while level:
        pages = http.get.map(url=level, client=cs.constant(cs.inject("http")))
        polite = pages.with_constraints(site=1).with_retry(3, on=http.ServerError)
        answers = await engine.run(polite.collecting_errors())
        found = set()
        for path, answer in zip(level, answers, strict=True):
            if isinstance(answer, http.HTTPStatusError):
                print(f"{path:12} {answer.status}")
                continue
            links = re.findall(r'href="([^"]+)"', answer.text)
            print(f"{path:12} {answer.status}  links: {len(links)}")
            found |= set(links) - known
        known |= found
        level = sorted(found)
    return len(known)


def main() -> None:
    asked: list[str] = []
    with serving(SITE, asked) as address:
        began = time.monotonic()
        found = asyncio.run(crawl(address))
        slow_enough = time.monotonic() - began >= (len(asked) - 1) / PER_SECOND
    print(f"{found} addresses, {len(asked)} requests, at most {PER_SECOND} a second: {slow_enough}")


if __name__ == "__main__":
    main()
