package core

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"
)

func TestAnErrorIsItsNameAndNoOther(t *testing.T) {
	cause := errors.New("what the system said")
	err := error(&Error{Name: ErrTimeout, Detail: "it took too long", Cause: cause})
	if !errors.Is(err, ErrTimeout) || errors.Is(err, ErrIO) || !errors.Is(err, cause) {
		t.Error("errors.Is tells something else")
	}
	if err.Error() != "timeout: it took too long" || ErrTimeout.Error() != "timeout" {
		t.Error(err)
	}
}

func TestWhatIsPackedIsUnpacked(t *testing.T) {
	key := []byte(strings.Repeat("\x00\x7f\xff\x0a", 12))
	for _, size := range []int{1, 2, 3, 4, 6, 8, 12, 16, 24, 48} {
		address, err := Pack(13600, key[:size])
		if err != nil {
			t.Fatal(err)
		}
		port, whole, err := Unpack(address)
		if err != nil || port != 13600 || !bytes.Equal(whole, bytes.Repeat(key[:size], 48/size)) {
			t.Errorf("%s: %d %x %v", address, port, whole, err)
		}
	}
}

func TestAnAddressThatIsRefusedIsNotShown(t *testing.T) {
	_, _, err := Unpack("13600.5ecre7")
	if err == nil || strings.Contains(err.Error(), "5ec") {
		t.Error(err)
	}
}

// (`limit.memory`)
func TestAHeadOfTheLargestLengthsSetsNothingAside(t *testing.T) {
	x := NewClientExchange([3]byte{}, Limits{Message: MaxMessage, Data: 1<<64 - 1})
	x.On(Connected)
	x.Feed(append(append([]byte{}, x.Hello()...), 0xff, 0xff, 0xff, 0xff))
	x.Feed(bytes.Repeat([]byte("a"), 1024))
	if cap(x.field) > 64<<10 || x.Needed() != MaxMessage-1024 {
		t.Errorf("%d octets are set aside", cap(x.field))
	}
}

// (`close.extra`, `data.end`)
func TestOctetsInOtherStatesDoNothing(t *testing.T) {
	server := NewServerExchange("", 0)
	if server.Feed([]byte("KCOM5")) != Nothing || server.State() != Listening || server.Consumed() != 0 {
		t.Error("a server that listens has taken octets")
	}
	client := NewClientExchange([3]byte{}, DefaultLimits())
	if client.Feed([]byte("KCOM5")) != 0 || client.State() != Connecting {
		t.Error("a client that connects has taken octets")
	}
}

func TestSuccessIsToldOnlyWhenEverythingIsDelivered(t *testing.T) {
	x := NewClientExchange(replayed, DefaultLimits())
	x.Delivered()
	x.On(Connected)
	x.Feed(append(x.Hello(), make([]byte, 12)...))
	if x.State() != Data || x.Needed() != 0 || x.Arrived(0) != Deliver || x.State() != Data {
		t.Errorf("%s before it is delivered", x.State())
	}
	failing := *x
	if failing.On(Failure); failing.State() != Failed || !errors.Is(failing.Err(), ErrIO) {
		t.Errorf("storing failed: %s, %v", failing.State(), failing.Err())
	}
	if x.Delivered(); x.State() != Done || x.Err() != nil {
		t.Error(x.State(), x.Err())
	}
}

func TestAnExchangeDoesNotShowItsMessage(t *testing.T) {
	x := NewServerExchange("secret", 0)
	for _, shown := range []string{fmt.Sprintf("%v", x), fmt.Sprintf("%+v", *x), fmt.Sprintf("%#v", x)} {
		if strings.Contains(shown, "secret") || !strings.Contains(shown, "listening") {
			t.Error(shown)
		}
	}
}

func TestNothingHappensToAZeroExchange(t *testing.T) {
	var server ServerExchange
	var client ClientExchange
	if server.On(Connected) != Nothing || server.Feed([]byte("K")) != Nothing || server.State() != "" || server.Confirmed() {
		t.Error(server)
	}
	if client.On(Connected) != Nothing || client.Feed([]byte("K")) != 0 || client.State() != "" {
		t.Error(client)
	}
}
