// A small gateway in Go, to compare ours with: the standard library's HTTP server and JSON, franz-go for Kafka.
// It decodes and checks a batch, stores it as one message in the user's partition, and answers 202 once Kafka
// has acknowledged (idempotent, acks=all), as ours does. It has no limits, cookies, clock correction or metrics.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"hash/crc32"
	"io"
	"log"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

const maxBody = 1 << 20

type event struct {
	EventID   string         `json:"eventId"`
	SessionID string         `json:"sessionId"`
	Timestamp time.Time      `json:"timestamp"`
	Category  string         `json:"category"`
	Action    string         `json:"action"`
	Label     *string        `json:"label"`
	Value     *float64       `json:"value"`
	Metadata  map[string]any `json:"metadata"`
}

type batch struct {
	UserID string    `json:"userId"`
	SentAt time.Time `json:"sentAt"`
	Events []event   `json:"events"`
}

func (b *batch) acceptable() bool {
	if len(b.UserID) != 36 || len(b.Events) == 0 || len(b.Events) > 500 {
		return false
	}
	for i := range b.Events {
		e := &b.Events[i]
		if len(e.EventID) != 36 || len(e.SessionID) != 36 || e.Category == "" || e.Action == "" {
			return false
		}
	}
	return true
}

type gateway struct {
	kafka      *kgo.Client
	partitions uint32
}

func (g *gateway) post(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodPost {
		w.WriteHeader(http.StatusMethodNotAllowed)
		return
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if err != nil {
		w.WriteHeader(http.StatusRequestEntityTooLarge)
		return
	}
	var b batch
	if err := json.Unmarshal(body, &b); err != nil || !b.acceptable() {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	record := &kgo.Record{
		Key:       []byte(b.UserID),
		Value:     body,
		Partition: int32(crc32.ChecksumIEEE([]byte(b.UserID)) % g.partitions),
	}
	if err := g.kafka.ProduceSync(r.Context(), record).FirstErr(); err != nil {
		w.WriteHeader(http.StatusServiceUnavailable)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(http.StatusAccepted)
	fmt.Fprintf(w, `{"accepted":%d,"rejected":[]}`, len(b.Events))
}

func main() {
	if len(os.Args) != 6 {
		log.Fatal("usage: peer BROKERS TOPIC PARTITIONS PORT LINGER")
	}
	linger, err := time.ParseDuration(os.Args[5])
	if err != nil {
		log.Fatal(err)
	}
	partitions, err := strconv.ParseUint(os.Args[3], 10, 31)
	if err != nil || partitions == 0 {
		log.Fatal("PARTITIONS must be a positive number")
	}
	kafka, err := kgo.NewClient(
		kgo.SeedBrokers(strings.Split(os.Args[1], ",")...),
		kgo.DefaultProduceTopic(os.Args[2]),
		kgo.RequiredAcks(kgo.AllISRAcks()),
		kgo.RecordPartitioner(kgo.ManualPartitioner()),
		kgo.ProducerBatchCompression(kgo.NoCompression()),
		kgo.ProducerLinger(linger),
	)
	if err != nil {
		log.Fatal(err)
	}
	if err := kafka.Ping(context.Background()); err != nil {
		log.Fatal(err)
	}
	g := &gateway{kafka: kafka, partitions: uint32(partitions)}
	http.HandleFunc("/api/telemetry/events", g.post)
	http.HandleFunc("/readyz", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusOK) })
	log.Fatal(http.ListenAndServe("127.0.0.1:"+os.Args[4], nil))
}
