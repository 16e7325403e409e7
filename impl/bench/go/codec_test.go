// What head and address cost in Go.
package main

import (
	"testing"

	"kcom5/core"
)

var nonce = [3]byte{1, 2, 3}

func hello() []byte { return append([]byte("KCOM5"), nonce[:]...) }

// A server takes a hello and has its head ready: echo and both lengths.
func BenchmarkHeadEncode(b *testing.B) {
	b.ReportAllocs()
	hello := hello()
	for i := 0; i < b.N; i++ {
		exchange := core.NewServerExchange("", 1<<20)
		exchange.On(core.Connected)
		exchange.Feed(hello)
		if len(exchange.Head()) != 20 {
			b.Fatal("no head")
		}
	}
}

// A client takes echo and head, up to the data.
func BenchmarkHeadDecode(b *testing.B) {
	b.ReportAllocs()
	server := core.NewServerExchange("", 1<<20)
	server.On(core.Connected)
	server.Feed(hello())
	head := server.Head()
	for i := 0; i < b.N; i++ {
		exchange := core.NewClientExchange(nonce, core.DefaultLimits())
		exchange.On(core.Connected)
		exchange.Feed(head)
		if exchange.State() != core.Data {
			b.Fatal("not decoded")
		}
	}
}

func key() []byte {
	key := make([]byte, 48)
	for i := range key {
		key[i] = byte(i)
	}
	return key
}

func BenchmarkPack(b *testing.B) {
	b.ReportAllocs()
	key := key()
	for i := 0; i < b.N; i++ {
		if _, err := core.Pack(13600, key); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkUnpack(b *testing.B) {
	b.ReportAllocs()
	address, err := core.Pack(13600, key())
	if err != nil {
		b.Fatal(err)
	}
	for i := 0; i < b.N; i++ {
		if _, _, err := core.Unpack(address); err != nil {
			b.Fatal(err)
		}
	}
}
