//go:build (linux || darwin) && (amd64 || arm64)

package kcom5

import (
	"context"
	"syscall"
	"testing"
	"unsafe"
)

// (`message.too-long`, before a socket is opened, and after the port)
func TestAMessageOfFourGibibytesIsRefusedBeforeTheServerListens(t *testing.T) {
	// An address space that nobody touches: the length is looked at first.
	space, err := syscall.Mmap(-1, 0, 1<<32, syscall.PROT_NONE, syscall.MAP_ANON|syscall.MAP_PRIVATE)
	if err != nil {
		t.Fatal(err)
	}
	defer syscall.Munmap(space)
	server := &Server{}
	server.Listening = func(int) { t.Error("it listens") }
	server.Port, server.Message = 65536, *(*string)(unsafe.Pointer(&space))
	isNamed(t, errOf(server.Send(context.Background(), nil)), ErrInvalidPort)
	server.Port = AnyPort
	isNamed(t, errOf(server.Send(context.Background(), nil)), ErrMessageTooLong)
}
