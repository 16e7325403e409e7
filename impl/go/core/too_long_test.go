//go:build (linux || darwin) && (amd64 || arm64)

package core

import (
	"errors"
	"syscall"
	"testing"
	"unsafe"
)

// (`message.too-long`)
func TestAMessageOfFourGibibytesIsTooLong(t *testing.T) {
	// An address space that nobody touches: the length is looked at first.
	space, err := syscall.Mmap(-1, 0, 1<<32, syscall.PROT_NONE, syscall.MAP_ANON|syscall.MAP_PRIVATE)
	if err != nil {
		t.Fatal(err)
	}
	defer syscall.Munmap(space)
	if err := CheckMessage(*(*string)(unsafe.Pointer(&space))); !errors.Is(err, ErrMessageTooLong) {
		t.Error(err)
	}
}
