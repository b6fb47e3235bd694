"""Events by topic, to whoever may read them: a log in the database, delivered exactly once, in order."""
