-- What said yes to a plan and counts once: a saved plan, a digest. Written with the run that used it, so that of two only one begins.
CREATE TABLE used_plans (
    plan TEXT NOT NULL PRIMARY KEY,
    run INTEGER NOT NULL REFERENCES runs (id)
) STRICT, WITHOUT ROWID;
