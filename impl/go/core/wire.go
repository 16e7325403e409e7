package core

// The octets of the wire: the hello, the head of the frame, and what a message may be. Not here: when they are sent.
// Spec: "Wire format", "Limits".

import (
	"encoding/binary"
	"strconv"
	"unicode/utf8"
)

const (
	// Magic opens the hello (`hello.form`).
	Magic = "KCOM5"
	// HelloSize is the number of octets of a hello and of its echo.
	HelloSize = 8
	// MaxMessage is the most octets that a message can have on the wire (`message.too-long`).
	MaxMessage = 1<<32 - 1

	lengthSize     = 4 // of a message length (`message.length`)
	dataLengthSize = 8 // of a data length (`data.length`)
)

// Limits are the most octets that a receiver takes; a length equal to the limit is within it (`limit.over`).
type Limits struct {
	Message uint64
	Data    uint64
}

// DefaultLimits are 16 MiB of message, and any length of data.
func DefaultLimits() Limits { return Limits{Message: 16 << 20, Data: 1<<64 - 1} }

// CheckMessage is ErrMessageTooLong over MaxMessage octets, and then ErrMessageNotUTF8 for text that is not
// well-formed (`message.too-long`, `message.utf8`).
func CheckMessage(message string) error {
	if uint64(len(message)) > MaxMessage {
		return &Error{Name: ErrMessageTooLong, Detail: "expected at most 4294967295 octets, got " + strconv.Itoa(len(message))}
	}
	if why := notUTF8(message); why != "" {
		return &Error{Name: ErrMessageNotUTF8, Detail: why}
	}
	return nil
}

// notUTF8 says where a message is ill-formed; empty if it is not. It does not show it.
func notUTF8(message string) string {
	if utf8.ValidString(message) {
		return ""
	}
	at, r, size := 0, rune(0), 0
	for ; r != utf8.RuneError || size != 1; at += size {
		r, size = utf8.DecodeRuneInString(message[at:])
	}
	return "expected UTF-8, got a message of " + strconv.Itoa(len(message)) + " octets, ill-formed at offset " +
		strconv.Itoa(at-1)
}

// appendHead appends all of the frame that stands before the data (`frame.order`).
func appendHead(to []byte, message string, dataLength uint64) []byte {
	to = binary.LittleEndian.AppendUint32(to, uint32(len(message)))
	to = append(to, message...)
	return binary.LittleEndian.AppendUint64(to, dataLength)
}
