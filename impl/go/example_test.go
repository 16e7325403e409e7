package kcom5_test

import (
	"context"
	"errors"
	"fmt"

	"kcom5"
)

func Example() {
	server := kcom5.NewServer()
	server.Port = 0 // the system chooses
	server.Msg = "hi"
	port, err := server.Open(context.Background())
	if err != nil {
		fmt.Println(err)
		return
	}
	sent := make(chan error)
	go func() { sent <- server.Send([]byte{0, 1, 2}) }()

	client := kcom5.NewClient()
	client.Port = port
	data, err := client.Receive()
	fmt.Println(data, client.Msg, err, <-sent)
	// Output: [0 1 2] hi <nil> <nil>
}

func ExamplePack() {
	address, err := kcom5.Pack(13600, []byte{0x00, 0x01, 0x0a, 0xff})
	fmt.Println(address, err)
	// Output: 13600.00.01.0a.ff <nil>
}

func ExampleUnpack() {
	port, key, err := kcom5.Unpack("13600.00.01.0A.FF")
	fmt.Println(port, len(key), err)
	_, _, err = kcom5.Unpack("13600")
	fmt.Println(errors.Is(err, kcom5.ErrInvalidAddress))
	// Output:
	// 13600 48 <nil>
	// true
}
