-- Who comes back, and when a lease may expire at all.

-- Dispatches for the same trouble, one after the other; begun anew after a while without any.
ALTER TABLE interviews ADD COLUMN tries integer NOT NULL DEFAULT 0;

-- Of interviews whose job failed the newest are looked at for another try.
CREATE INDEX interviews_failed ON interviews (updated_at) WHERE outcome = 'failed';

-- One row: when any worker was last in contact with this database, by this database's clock, and
-- until when no lease expires because nobody was. A database that was away comes back with every
-- lease in the past, and their holders talking.
CREATE TABLE lease_contact (
    one_row     boolean PRIMARY KEY DEFAULT true CHECK (one_row),
    seen        timestamptz NOT NULL DEFAULT '-infinity',
    calm_until  timestamptz NOT NULL DEFAULT '-infinity'
);

INSERT INTO lease_contact DEFAULT VALUES;
