package kcom5

// The client's end of a connection: reads the frame, and closes when everything is stored. Not here: how it connects
// (client), and where the data goes (sink). Spec: "Frame", "Closing", "Time".

import (
	"net"
	"time"

	"kcom5/core"
)

type receiving struct {
	*stream
	exchange *core.ClientExchange
	timeout  time.Duration
	place    string
	isHeld   bool // the frame's last byte is peeked at, and not read
}

func (r *receiving) run(to outputs, progress func(done, total uint64)) error {
	r.exchange.On(core.Connected)
	end := deadline(r.timeout)
	if _, err := r.write(&net.Buffers{r.exchange.Hello()}, end); err != nil {
		return r.failed(err)
	}
	rest, err := r.readHead(end)
	if err != nil {
		return err
	}
	if err := r.readData(rest, to.data, progress); err != nil {
		return err
	}
	if err := to.store(r.exchange.Message()); err != nil {
		r.exchange.On(core.Failure)
		return err
	}
	r.exchange.Delivered()
	if r.isHeld {
		// Everything is stored. If this read fails, the server only misses its confirmation.
		r.read(make([]byte, 1), deadline(r.timeout))
	}
	return outcome(r.exchange)
}

func (r *receiving) failed(err error) error { return failure(r.exchange, r.place, err) }

// readHead reads up to the data, and returns the bytes of it that came along. On a Unix-domain socket it reads no more
// than the present field, and only peeks at the last byte of the frame. The unread byte makes the close after a failure
// a reset (`close.abort`, `close.last`).
func (r *receiving) readHead(end time.Time) (rest []byte, err error) {
	octets := make([]byte, 64<<10)
	for {
		room, get := octets, r.read
		if r.isUnix {
			room = room[:smaller(r.exchange.Needed(), len(room))]
			if r.exchange.State() == core.DataLength && len(room) == 1 {
				get = r.peek
			} else if r.exchange.State() == core.DataLength {
				room = room[:len(room)-1]
			}
		}
		isLast := r.exchange.State() == core.DataLength && r.exchange.Needed() == 1
		n, err := get(room, end)
		if err != nil {
			return nil, r.failed(err)
		}
		taken := r.exchange.Feed(room[:n])
		switch r.exchange.State() {
		case core.Failed:
			return nil, r.exchange.Err()
		case core.Data:
			if r.isUnix && isLast {
				return nil, r.holdOrTake()
			}
			return room[taken:n], nil
		case core.Echo:
		default:
			end = deadline(r.timeout) // each byte (`time.stall`)
		}
	}
}

// holdOrTake leaves the peeked byte unread if it is the frame's last one.
func (r *receiving) holdOrTake() error {
	if r.isHeld = r.exchange.Needed() == 0; r.isHeld {
		return nil
	}
	if _, err := r.read(make([]byte, 1), deadline(r.timeout)); err != nil {
		return r.failed(err)
	}
	return nil
}

// readData reads until everything has arrived. On a Unix-domain socket it only peeks at the last byte.
func (r *receiving) readData(rest []byte, to sink, progress func(done, total uint64)) (err error) {
	for left := r.exchange.Needed(); left > 0; left = r.exchange.Needed() {
		n, took, most := 0, to.took, left
		if r.isUnix && left > 1 {
			most--
		}
		if len(rest) > 0 {
			n = copy(to.room(left), rest)
			rest = rest[n:]
		} else if r.isUnix && left == 1 {
			n, err = r.peek(to.room(left)[:1], deadline(r.timeout))
			r.isHeld = true
		} else if pipe := to.pipe(left); pipe != nil {
			n, err = r.fill(pipe, most, deadline(r.timeout))
			took = to.moved
		} else {
			room := to.room(left)
			n, err = r.read(room[:smaller(most, len(room))], deadline(r.timeout))
		}
		if err != nil {
			return r.failed(err)
		}
		if err := took(n); err != nil {
			r.exchange.On(core.Failure)
			return err
		}
		r.exchange.Arrived(uint64(n))
		if progress != nil {
			progress(r.exchange.DataLength()-r.exchange.Needed(), r.exchange.DataLength())
		}
	}
	return nil
}
