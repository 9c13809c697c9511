"""Providers: ready-made tasks for everyday work, each a thin layer over a library that is kept.

- `cascade.providers.shell`: commands (the standard library)
- `cascade.providers.files`: files, written all or not at all (the standard library)
- `cascade.providers.http`: requests (httpx; the extra ``http``)
- `cascade.providers.sql`: statements with parameters (SQLAlchemy; the extra ``sql``)

They are ordinary tasks: calls can hold lazy results, and take constraints, retries and time-outs as
all calls do. Import the module that you need; a library that isn't installed is an error only when
a call needs it.
"""
