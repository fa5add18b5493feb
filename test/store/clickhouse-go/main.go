// A client of the store that is built as Grafana's ClickHouse plugin builds its own: clickhouse-go over HTTP, with
// settings at the first query. Prints what it saw as one JSON object.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
)

type step struct {
	Name   string `json:"name"`
	Result any    `json:"result,omitempty"`
	Code   int32  `json:"code,omitempty"`
	Error  string `json:"error,omitempty"`
}

var steps []step

func note(name string, result any, err error) {
	s := step{Name: name, Result: result}
	var exception *clickhouse.Exception
	if errors.As(err, &exception) {
		s.Code = exception.Code
	}
	if err != nil {
		s.Error = err.Error()
	}
	steps = append(steps, s)
}

func open(address, user, password string, settings clickhouse.Settings, compression clickhouse.CompressionMethod) clickhouse.Conn {
	connection, err := clickhouse.Open(&clickhouse.Options{
		Addr:        []string{address},
		Auth:        clickhouse.Auth{Database: "flowspan", Username: user, Password: password},
		Protocol:    clickhouse.HTTP,
		Settings:    settings,
		Compression: &clickhouse.Compression{Method: compression},
		ClientInfo:  clickhouse.ClientInfo{Products: []struct{ Name, Version string }{{Name: "grafana", Version: "12.0"}}},
		DialTimeout: 10 * time.Second,
	})
	if err != nil {
		panic(err)
	}
	return connection
}

func strings(connection clickhouse.Conn, ctx context.Context, query string, args ...any) ([]string, error) {
	rows, err := connection.Query(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	found := []string{}
	for rows.Next() {
		var value string
		if err := rows.Scan(&value); err != nil {
			return found, err
		}
		found = append(found, value)
	}
	return found, rows.Err()
}

func read(connection clickhouse.Conn) {
	ctx := context.Background()
	note("ping", nil, connection.Ping(ctx))
	version, err := connection.ServerVersion()
	if err == nil {
		note("server_version", fmt.Sprintf("%s %d.%d %s", version.Name, version.Version.Major, version.Version.Minor, version.Timezone), nil)
	} else {
		note("server_version", nil, err)
	}
	one, err := strings(connection, ctx, "SELECT toString(1)")
	note("select", one, err)
	databases, err := strings(connection, ctx, "SHOW DATABASES")
	note("databases", databases, err)
	tables, err := strings(connection, ctx, "SHOW TABLES FROM flowspan")
	note("tables", tables, err)
	columns, err := strings(connection, ctx, "SELECT name FROM system.columns WHERE database = 'flowspan' AND table = 't' ORDER BY position")
	note("columns", columns, err)
	bound, err := strings(connection, ctx, "SELECT concat({a:String}, toString({b:UInt64}))", clickhouse.Named("a", "it's\t"), clickhouse.Named("b", "18446744073709551615"))
	note("parameters", bound, err)

	var count uint64
	var when time.Time
	var address string
	var kind string
	var labels map[string]string
	err = connection.QueryRow(ctx, `SELECT count(), max(time), toString(any(address)), any(kind), any(labels) FROM t`).Scan(&count, &when, &address, &kind, &labels)
	note("types", []any{count, when.UTC().Format(time.RFC3339Nano), address, kind, labels}, err)

	filtered, err := strings(connection, clickhouse.Context(ctx, clickhouse.WithSettings(clickhouse.Settings{
		"additional_table_filters": "{'flowspan.t': 'a < 3'}",
	})), "SELECT toString(count()) FROM t")
	note("additional_table_filters", filtered, err)

	total := uint64(0)
	rows, err := connection.Query(ctx, "SELECT number, toString(number) FROM numbers(500000)")
	if err == nil {
		for rows.Next() {
			var number uint64
			var text string
			if err = rows.Scan(&number, &text); err != nil {
				break
			}
			total += number
		}
		if err == nil {
			err = rows.Err()
		}
		rows.Close()
	}
	note("large", total, err)

	_, err = strings(connection, ctx, "SELECT nope")
	note("unknown_identifier", nil, err)
	_, err = strings(connection, clickhouse.Context(ctx, clickhouse.WithSettings(clickhouse.Settings{"max_threads_x": 1})), "SELECT '1'")
	note("refused_setting", nil, err)
	rows, err = connection.Query(ctx, "SELECT number, throwIf(number = 900000) FROM numbers(1000000)")
	if err == nil {
		for rows.Next() {
		}
		err = rows.Err()
		rows.Close()
	}
	note("error_in_the_middle", nil, err)

	short, cancel := context.WithTimeout(ctx, 300*time.Millisecond)
	_, err = strings(connection, short, "SELECT toString(count()) FROM numbers(900000000) WHERE sipHash64(number) = 1 /* go */")
	cancel()
	note("cancelled", nil, err)
	_ = connection.Close()
}

func write(connection clickhouse.Conn) {
	ctx := context.Background()
	note("create", nil, connection.Exec(ctx, `CREATE TABLE t (a UInt64, time DateTime64(9, 'UTC'), address IPv6,
		kind Enum8('x' = 1, 'y' = 2), word LowCardinality(String), labels Map(LowCardinality(String), String)) ENGINE = MergeTree ORDER BY a`))
	batch, err := connection.PrepareBatch(ctx, "INSERT INTO t")
	if err != nil {
		note("batch", nil, err)
		return
	}
	for number := uint64(0); number < 10; number++ {
		err = batch.Append(number, time.Unix(1700000000, 123456789), "::ffff:10.0.0.1", "y", "w", map[string]string{"k": "v"})
		if err != nil {
			note("append", nil, err)
			return
		}
	}
	note("batch", nil, batch.Send())
	_ = connection.Close()
}

func main() {
	address, writer, password, compression := os.Args[1], os.Args[2], os.Args[3], os.Args[4]
	method := map[string]clickhouse.CompressionMethod{"none": clickhouse.CompressionNone, "gzip": clickhouse.CompressionGZIP}[compression]
	if writer != "" {
		write(open(address, writer, password, nil, method))
	}
	read(open(address, "default", "", clickhouse.Settings{"max_execution_time": 60}, method))
	_ = json.NewEncoder(os.Stdout).Encode(steps)
}
