// Package kcom5 hands one message and one block of bytes from one process to another on the same computer, once.
//
// The server sends and the client receives. Both calls return when the exchange is done:
//
//	server := kcom5.Server{Message: "hi"}       var client kcom5.Client
//	sent, err := server.Send(ctx, data)         data, err := client.Receive(ctx) // client.Message is "hi"
//
// Every failure is an [*Error] with one name of the spec: errors.Is(err, kcom5.ErrTimeout). If the context ends, the
// call fails with [ErrIO] at once, and errors.Is(err, context.Canceled) holds too. A call leaves nothing behind when it
// returns (`close.residue`). A Server or Client makes one exchange at a time; it may be used again.
//
// KCOM5 over TCP authenticates nobody and encrypts nothing: see the security considerations of the spec. With the field
// Path both ends use a Unix-domain socket, and refuse the peers of other users (Linux and macOS).
//
// A call returns nil exactly if its exchange is in the state done (`result.success`). Everything that the caller asked
// to be stored is stored before the server learns of success (`close.last`). If a callback panics, so does the call,
// and it leaves nothing behind.
//
// The files: only server, serving, client, receiving, stream and deadline use connections and a clock. The files
// source, spool and sink read and store data. The files system_* and unixpath_* call the operating system. Package core
// has the bytes and the states.
package kcom5

import (
	"math"
	"time"

	"kcom5/core"
)

// Error is every failure of this package; see core.Error.
type Error = core.Error

// Name is the name of a failure; see core.Name.
type Name = core.Name

// Limits are the most bytes that a client takes; see core.Limits.
type Limits = core.Limits

// The names of failures (`result.class`); see package core for who raises each.
const (
	ErrInvalidAddress    = core.ErrInvalidAddress
	ErrInvalidKey        = core.ErrInvalidKey
	ErrInvalidPort       = core.ErrInvalidPort
	ErrMessageNotUTF8    = core.ErrMessageNotUTF8
	ErrMessageTooLong    = core.ErrMessageTooLong
	ErrInUse             = core.ErrInUse
	ErrRefused           = core.ErrRefused
	ErrTimeout           = core.ErrTimeout
	ErrIO                = core.ErrIO
	ErrInvalidConnection = core.ErrInvalidConnection
	ErrTruncated         = core.ErrTruncated
	ErrMalformedMessage  = core.ErrMalformedMessage
	ErrOverLimit         = core.ErrOverLimit
	ErrUnconfirmed       = core.ErrUnconfirmed
)

const (
	// Version is the version of this implementation; the protocol has none.
	Version = "1.0.0"
	// DefaultPort is the port of both ends unless told otherwise (`listen.default`).
	DefaultPort = 13600
	// AnyPort is the Port of a server that lets the kernel choose one.
	AnyPort = math.MinInt
	// MaxMessage is the most bytes that a message can have (`message.too-long`).
	MaxMessage = core.MaxMessage
	// DefaultTimeout bounds each wait unless told otherwise.
	DefaultTimeout = 150 * time.Second
	// Forever is the Timeout of waits without a limit.
	Forever time.Duration = -1
)

// Pack returns the address of a port and a key, as [core.Pack] does.
func Pack(port int, key []byte) (string, error) { return core.Pack(port, key) }

// Unpack returns the port and the key of an address, as [core.Unpack] does.
func Unpack(address string) (port int, key []byte, err error) { return core.Unpack(address) }

// DefaultLimits returns 16 MiB of message, and any length of data.
func DefaultLimits() Limits { return core.DefaultLimits() }
