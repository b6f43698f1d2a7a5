"""The engine over HTTP: jobs in SQLite, one worker process per device, and the pages of the studio."""
