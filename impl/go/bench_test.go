package kcom5

import (
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"sort"
	"strconv"
	"testing"
	"time"
)

const benchmarkSize = 1 << 30

// init is the other process of BenchmarkMemoryToMemory: it receives from a port, and prints how long that took.
func init() {
	port, err := strconv.Atoi(os.Getenv("KCOM5_BENCHMARK_PORT"))
	if err != nil {
		return
	}
	start := time.Now()
	var data []byte
	if os.Getenv("KCOM5_BENCHMARK_RAW") == "" {
		client := &Client{}
		client.Port = port
		data, err = client.Receive(context.Background())
	} else {
		var conn net.Conn
		if conn, err = (&net.Dialer{Control: control}).Dial("tcp6", endpoint{true, port}.address()); err == nil {
			data = make([]byte, benchmarkSize)
			_, err = io.ReadFull(conn, data)
			conn.Close()
		}
	}
	fmt.Println(time.Since(start).Seconds())
	if err != nil || len(data) != benchmarkSize {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}

func received(b *testing.B, port int, raw string) (seconds float64) {
	command := exec.Command(os.Args[0])
	command.Env = append(os.Environ(), "KCOM5_BENCHMARK_PORT="+strconv.Itoa(port), "KCOM5_BENCHMARK_RAW="+raw)
	command.Stderr = os.Stderr
	out, err := command.Output()
	if err == nil {
		_, err = fmt.Sscan(string(out), &seconds)
	}
	if err != nil {
		b.Fatal(err)
	}
	return seconds
}

// 1 GiB to another process, in turn with two loops that have no protocol, of which the receiver's has memory of the right
// size: -benchtime 9x gives nine rounds of both. What counts is the ratio of the speeds (`kcom5/raw`, the median), which
// the load of the machine disturbs least.
func BenchmarkMemoryToMemory(b *testing.B) {
	data := make([]byte, benchmarkSize)
	for i := range data {
		data[i] = byte(i) // all of it is there
	}
	sent := make(chan error, 1)
	own := func() float64 {
		server := &Server{}
		server.Port = AnyPort
		port, err := server.Open(context.Background())
		if err != nil {
			b.Fatal(err)
		}
		go func() { sent <- errOf(server.Send(context.Background(), data)) }()
		return received(b, port, "")
	}
	raw := func() float64 {
		listener, err := (&net.ListenConfig{Control: control}).Listen(context.Background(), "tcp6", "[::1]:0")
		if err != nil {
			b.Fatal(err)
		}
		defer listener.Close()
		go func() {
			conn, err := listener.Accept()
			if err == nil {
				conn.(*net.TCPConn).SetLinger(-1)
				_, err = conn.Write(data)
				conn.Close()
			}
			sent <- err
		}()
		return received(b, listener.Addr().(*net.TCPAddr).Port, "raw")
	}
	var ratios, speeds []float64
	for i := 0; i < b.N; i++ {
		ways, seconds := []func() float64{own, raw}, [2]float64{}
		for j := 0; j < 2; j++ {
			which := (i + j) % 2 // each is first in every other round
			seconds[which] = ways[which]()
			if err := <-sent; err != nil {
				b.Fatal(err)
			}
		}
		ratios, speeds = append(ratios, seconds[1]/seconds[0]), append(speeds, 1/seconds[0])
	}
	sort.Float64s(ratios)
	sort.Float64s(speeds)
	b.ReportMetric(0, "ns/op") // of both together: it tells nothing
	b.ReportMetric(speeds[len(speeds)/2], "GiB/s")
	b.ReportMetric(ratios[len(ratios)/2], "kcom5/raw")
}

func BenchmarkSmallExchange(b *testing.B) {
	for i := 0; i < b.N; i++ {
		server, client := &Server{}, &Client{}
		server.Port = AnyPort
		port, err := server.Open(context.Background())
		if err != nil {
			b.Fatal(err)
		}
		client.Port = port
		sent := make(chan error, 1)
		go func() { sent <- errOf(server.Send(context.Background(), []byte("abc"))) }()
		if _, err := client.Receive(context.Background()); first(err, <-sent) != nil {
			b.Fatal(err)
		}
	}
}
