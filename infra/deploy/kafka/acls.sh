#!/bin/sh
# Allows each user of convergio-telemetry what it needs of Kafka, and nothing else. Can be run again at any time.
#
#   BOOTSTRAP=kafka-1:9093 COMMAND_CONFIG=admin.properties infra/deploy/kafka/acls.sh
#
# A user gets its password by
#   kafka-configs.sh … --alter --entity-type users --entity-name convergio-gateway --add-config 'SCRAM-SHA-512=[password=…]'
# KAFKA_ACLS is the tool, `kafka-acls.sh` of Apache Kafka unless set. Each command says at its start which of its ACLs
# are missing. With client certificates instead of SASL, a user is the certificate's distinguished name: set it below.
set -eu

KAFKA_ACLS=${KAFKA_ACLS:-kafka-acls.sh}
EVENTS=${CONVERGIO_EVENTS_TOPIC:-convergio.events}
DEAD_LETTERS=${CONVERGIO_DEAD_LETTER_TOPIC:-convergio.events.dlq}
RETENTION=$EVENTS.retention
GROUP=${CONVERGIO_CONSUMER_GROUP:-convergio-processors}

allow() {
    user=$1
    shift
    "$KAFKA_ACLS" --bootstrap-server "$BOOTSTRAP" --command-config "$COMMAND_CONFIG" \
        --add --allow-principal "User:$user" "$@"
}

# convergio ingest
allow convergio-gateway --topic "$EVENTS" --operation Write
allow convergio-gateway --topic "$RETENTION" --operation Read

# convergio process
allow convergio-processor --topic "$EVENTS" --operation Read --operation DescribeConfigs
allow convergio-processor --topic "$DEAD_LETTERS" --operation Write --operation DescribeConfigs
allow convergio-processor --topic "$RETENTION" --operation Read --operation Write
allow convergio-processor --group "$GROUP" --operation Read

# convergio migrate
allow convergio-migrator --topic "$EVENTS" --operation Create --operation Describe --operation DescribeConfigs
allow convergio-migrator --topic "$DEAD_LETTERS" --operation Create --operation Describe --operation AlterConfigs
allow convergio-migrator --topic "$RETENTION" \
    --operation Create --operation Read --operation Write --operation AlterConfigs

# convergio audit; it may run `convergio dlq list` and `dlq show`, too
allow convergio-auditor --topic "$EVENTS" --operation Read
allow convergio-auditor --topic "$DEAD_LETTERS" --operation Read
allow convergio-auditor --topic "$RETENTION" --operation Read
allow convergio-auditor --group "$GROUP" --operation Describe
# convergio audit --follow keeps how far it is
allow convergio-auditor --group "$GROUP.audit" --operation Read

# convergio dlq redrive
allow convergio-redriver --topic "$EVENTS" --operation Write
allow convergio-redriver --topic "$DEAD_LETTERS" --operation Read --operation Write

# convergio erase
allow convergio-eraser --topic "$EVENTS" --operation Write
