-- A dispatch that no worker takes is lost, and LiveKit tells nobody. Who takes one takes the
-- interview's lease at once, so this counts the dispatches, one after the other, that nobody took.
ALTER TABLE interviews ADD COLUMN untaken integer NOT NULL DEFAULT 0;
