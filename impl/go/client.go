package kcom5

// The client: connects, and receives one message and one block of data, whole or not at all. Not here: octets and
// states (core), and where the data goes (body). Spec: "Listening and connecting", "Closing", "Time".

import (
	"context"
	"crypto/rand"
	"errors"
	"io"
	"net"
	"os"
	"time"

	"kcom5/core"
)

// Client receives from a server that listens. NewClient has the defaults.
type Client struct {
	Ipv6   bool   // ::1, or 127.0.0.1 (`listen.default`)
	Port   int    // 1 to 65535 (`listen.port`)
	Path   string // if not empty: of a Unix-domain socket, in place of Ipv6 and Port
	Close  int    // T in seconds; zero or negative: no limit (`time.never`)
	Msg    string // the message received; it changes on success only (`result.message`)
	Limits Limits // octets; zero is a limit (`limit.over`)

	// Progress, if not nil, is told how many octets of the data have arrived, and of how many.
	Progress func(done, total uint64)
}

// NewClient has IPv6, port 13600, 150 s and DefaultLimits.
func NewClient() *Client {
	return &Client{Ipv6: true, Port: DefaultPort, Close: DefaultClose, Limits: DefaultLimits()}
}

// Initcli is NewClient by its original name.
func Initcli() *Client { return NewClient() }

// Recieve is Receive, as the original spells it.
func (c *Client) Recieve() ([]byte, error) { return c.Receive() }

// Receive is ReceiveContext without a context.
func (c *Client) Receive() ([]byte, error) { return c.ReceiveContext(context.Background()) }

// ReceiveContext returns the data when all of it has arrived (`result.sync`). Errors: ErrInvalidPort, ErrRefused,
// ErrTimeout, ErrIO, ErrInvalidConnection, ErrTruncated, ErrMalformedMessage, ErrOverLimit.
func (c *Client) ReceiveContext(ctx context.Context) ([]byte, error) {
	memory := &memorySink{data: []byte{}}
	if err := c.receive(ctx, memory); err != nil {
		return nil, err
	}
	return memory.data, nil
}

// ReceiveFile stores the data in a file of mode 0600, with constant memory: complete or not at all, and before the
// server learns of success. It is made before the client connects: if it cannot be, that is ErrIO, and the server is left
// to another client. A symbolic link is followed; what is there and no regular file is written to as it is.
func (c *Client) ReceiveFile(ctx context.Context, name string) error {
	if err := c.check(); err != nil {
		return err
	}
	file, err := newFileSink(name)
	if err != nil {
		return ioError(err)
	}
	return c.receive(ctx, file)
}

// ReceiveTo writes the data to a writer as it arrives, with constant memory; after an error some of it may be there.
// How long the writer takes is not limited.
func (c *Client) ReceiveTo(ctx context.Context, writer io.Writer) error {
	return c.receive(ctx, &writerSink{writer: writer})
}

func (c *Client) check() error {
	if c.Path != "" {
		return nil
	}
	return core.CheckPort(c.Port, 1)
}

func (c *Client) receive(ctx context.Context, to sink) error {
	defer to.discard()
	if err := c.check(); err != nil {
		return err
	}
	var nonce [3]byte
	if _, err := rand.Read(nonce[:]); err != nil {
		return ioError(err)
	}
	exchange := core.NewClientExchange(nonce, c.Limits)
	conn, err := c.connect(ctx, deadline(seconds(c.Close)))
	if err != nil {
		if isOneOf(err, refused) {
			exchange.On(core.Refused)
		}
		return inSeconds(failure(exchange, err), c.Close)
	}
	receiving := receiving{newStream(ctx, conn), exchange, seconds(c.Close)}
	if err := receiving.run(to, c.Progress); err != nil {
		receiving.abort()
		return inSeconds(err, c.Close)
	}
	receiving.finish()
	c.Msg = exchange.Message()
	return nil
}

// connect fails with the system's error, or the context's.
func (c *Client) connect(ctx context.Context, end time.Time) (conn net.Conn, err error) {
	bounded, cancel := ctx, func() {}
	if !end.IsZero() {
		bounded, cancel = context.WithDeadline(ctx, end)
	}
	defer cancel()
	if c.Path != "" {
		conn, err = dialUnix(bounded, c.Path)
	} else {
		place := endpoint{c.Ipv6, c.Port}
		dialer := net.Dialer{Control: control, KeepAlive: -1}
		conn, err = dialer.DialContext(bounded, place.network(), place.address())
	}
	if err == nil {
		return conn, nil
	}
	if ctx.Err() == nil && (errors.Is(err, context.DeadlineExceeded) || errors.Is(err, os.ErrDeadlineExceeded)) {
		return nil, os.ErrDeadlineExceeded
	}
	return nil, first(ctx.Err(), err)
}

// receiving is the client's end of a connection.
type receiving struct {
	*stream
	exchange *core.ClientExchange
	timeout  time.Duration
}

func (r receiving) run(to sink, progress func(done, total uint64)) error {
	isUnix := r.LocalAddr().Network() == "unix"
	if isUnix {
		own, err := isOwn(r.Conn)
		if err != nil {
			return failure(r.exchange, err)
		}
		if !own {
			r.exchange.On(core.Wrong)
			return r.exchange.Err()
		}
	} else if r.LocalAddr().String() == r.RemoteAddr().String() {
		r.exchange.On(core.Refused) // (`connect.self`)
		return r.exchange.Err()
	}
	r.exchange.On(core.Connected)
	end := deadline(r.timeout)
	if _, err := r.write(&net.Buffers{r.exchange.Hello()}, end); err != nil {
		return failure(r.exchange, err)
	}
	rest, err := r.readHead(isUnix, end)
	if err != nil {
		return err
	}
	if err := r.readData(rest, to, progress); err != nil {
		return err
	}
	if err := to.finish(); err != nil {
		return ioError(err)
	}
	return nil
}

// readHead reads up to the data, and returns the octets of it that came along. On a Unix-domain socket it reads no more
// than the present field: what is left unread then makes the close after a failure a reset (`close.abort`).
func (r receiving) readHead(isUnix bool, end time.Time) (rest []byte, err error) {
	octets := make([]byte, 64<<10)
	for {
		room := octets
		if isUnix {
			room = room[:smaller(r.exchange.Needed(), len(room))]
		}
		n, err := r.read(room, end)
		if err != nil {
			return nil, failure(r.exchange, err)
		}
		taken := r.exchange.Feed(room[:n])
		switch r.exchange.State() {
		case core.Failed:
			return nil, r.exchange.Err()
		case core.Data, core.Done:
			return room[taken:n], nil
		case core.Echo:
		default:
			end = deadline(r.timeout) // each octet (`time.stall`)
		}
	}
}

func (r receiving) readData(rest []byte, to sink, progress func(done, total uint64)) (err error) {
	for r.exchange.State() == core.Data {
		left, n := r.exchange.Needed(), 0
		if len(rest) > 0 {
			n = copy(to.room(left), rest)
			rest = rest[n:]
		} else if pipe := to.pipe(left); pipe != nil {
			n, err = r.fill(pipe, left, deadline(r.timeout))
		} else {
			n, err = r.read(to.room(left), deadline(r.timeout))
		}
		if err != nil {
			return failure(r.exchange, err)
		}
		if err := to.took(n); err != nil {
			r.exchange.On(core.Failure)
			return ioError(err)
		}
		r.exchange.Arrived(uint64(n))
		if progress != nil {
			progress(r.exchange.DataLength()-r.exchange.Needed(), r.exchange.DataLength())
		}
	}
	return nil
}
