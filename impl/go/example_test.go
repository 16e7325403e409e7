package kcom5_test

import (
	"context"
	"errors"
	"fmt"

	"kcom5"
)

func Example() {
	server := kcom5.Server{Port: kcom5.AnyPort, Message: "hi"}
	port, err := server.Open(context.Background())
	if err != nil {
		fmt.Println(err)
		return
	}
	sent := make(chan kcom5.Sent)
	go func() {
		result, _ := server.Send(context.Background(), []byte{0, 1, 2})
		sent <- result
	}()

	client := kcom5.Client{Port: port}
	data, err := client.Receive(context.Background())
	fmt.Println(data, client.Message, err, <-sent)
	// Output: [0 1 2] hi <nil> {3 true}
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
