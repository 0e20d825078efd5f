"""Kafka as an operator needs it: topics, a whole read of a topic, one acknowledged message."""
