"""Events from where they arise: topics of Kafka and files of a folder, into the event store, each exactly once."""
