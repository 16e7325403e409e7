package kcom5

import (
	"context"
	"io"
	"net"
	"testing"
)

// Both ends here, against the same two loops without a protocol and into memory of the right size.
func BenchmarkMemoryToMemory(b *testing.B) {
	const size = 256 << 20
	data := make([]byte, size)
	b.Run("kcom5", func(b *testing.B) {
		b.SetBytes(size)
		for i := 0; i < b.N; i++ {
			server, client := NewServer(), NewClient()
			server.Port = 0
			port, err := server.Open(context.Background())
			if err != nil {
				b.Fatal(err)
			}
			client.Port = port
			sent := make(chan error, 1)
			go func() { sent <- server.Send(data) }()
			if _, err := client.Receive(); first(err, <-sent) != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("raw", func(b *testing.B) {
		b.SetBytes(size)
		config := net.ListenConfig{Control: control}
		listener, err := config.Listen(context.Background(), "tcp6", "[::1]:0")
		if err != nil {
			b.Fatal(err)
		}
		defer listener.Close()
		for i := 0; i < b.N; i++ {
			go func() {
				conn, err := listener.Accept()
				if err == nil {
					conn.(*net.TCPConn).SetLinger(-1)
					conn.Write(data)
					conn.Close()
				}
			}()
			conn, err := (&net.Dialer{Control: control}).Dial("tcp6", listener.Addr().String())
			if err != nil {
				b.Fatal(err)
			}
			if _, err := io.ReadFull(conn, make([]byte, size)); err != nil {
				b.Fatal(err)
			}
			conn.Close()
		}
	})
}

func BenchmarkSmallExchange(b *testing.B) {
	for i := 0; i < b.N; i++ {
		server, client := NewServer(), NewClient()
		server.Port = 0
		port, err := server.Open(context.Background())
		if err != nil {
			b.Fatal(err)
		}
		client.Port = port
		sent := make(chan error, 1)
		go func() { sent <- server.Send([]byte("abc")) }()
		if _, err := client.Receive(); first(err, <-sent) != nil {
			b.Fatal(err)
		}
	}
}
