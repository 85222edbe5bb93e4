-- Who is there to take an interview over: a row a worker, written anew every second or so.
CREATE TABLE workers (
    worker_id   text PRIMARY KEY,
    -- The name that it takes dispatches for.
    agent_name  text NOT NULL,
    seen        timestamptz NOT NULL DEFAULT clock_timestamp(),
    -- Whether it takes jobs at all, and how many more at this moment.
    takes_jobs  boolean NOT NULL,
    free_slots  integer NOT NULL
);
