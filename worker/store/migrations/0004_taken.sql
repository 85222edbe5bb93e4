-- A dispatch that no worker took is lost: LiveKit tells nobody. Whoever takes one says so here.

-- When a worker last took a dispatch for the interview.
ALTER TABLE interviews ADD COLUMN taken_at timestamptz;

-- Dispatches that nobody took, one after the other.
ALTER TABLE interviews ADD COLUMN untaken integer NOT NULL DEFAULT 0;
