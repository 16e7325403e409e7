package core

// The wire format: the hello, the head of the frame, and the check of a message. Not here: when they are sent. Spec:
// "Wire format", "Limits".

import (
	"encoding/binary"
	"strconv"
	"unicode/utf8"
)

const (
	// Magic opens the hello (`hello.form`).
	Magic = "KCOM5"
	// HelloSize is the number of bytes of a hello and of its echo.
	HelloSize = 8
	// MaxMessage is the most bytes that a message can have on the wire (`message.too-long`).
	MaxMessage = 1<<32 - 1

	lengthSize     = 4 // of a message length (`message.length`)
	dataLengthSize = 8 // of a data length (`data.length`)
)

// Limits are the most bytes that a receiver accepts; a length equal to its limit is accepted (`limit.over`).
type Limits struct {
	Message uint64
	Data    uint64
}

// DefaultLimits returns 16 MiB of message, and any length of data.
func DefaultLimits() Limits { return Limits{Message: 16 << 20, Data: 1<<64 - 1} }

// CheckMessage returns ErrMessageTooLong over MaxMessage bytes, and then ErrMessageNotUTF8 for text that is not
// well-formed (`message.too-long`, `message.utf8`).
func CheckMessage(message string) error {
	if uint64(len(message)) > MaxMessage {
		return &Error{Name: ErrMessageTooLong, Detail: "got a message of " + strconv.Itoa(len(message)) +
			" bytes, expected at most 4294967295"}
	}
	if !utf8.ValidString(message) {
		return &Error{Name: ErrMessageNotUTF8, Detail: "the message to send is not valid UTF-8"}
	}
	return nil
}

// appendHead appends the frame up to its data (`frame.order`).
func appendHead(to []byte, message string, dataLength uint64) []byte {
	to = binary.LittleEndian.AppendUint32(to, uint32(len(message)))
	to = append(to, message...)
	return binary.LittleEndian.AppendUint64(to, dataLength)
}
