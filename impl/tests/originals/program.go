// A program for the original Go package: the errors that are returned now are all that was changed, and the test changes
// the import.
package main

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"strconv"

	"stdlib5/kcom"
)

func main() {
	if err := run(os.Args[1], os.Args[2:]); err != nil {
		fmt.Println("failed")
	}
}

func run(command string, arguments []string) error {
	switch command {
	case "send":
		svr := kcom.Initsvr()
		svr.Port, _ = strconv.Atoi(arguments[0])
		svr.Ipv6 = arguments[1] == "1"
		svr.Close = 10
		svr.Msg = arguments[2]
		data, _ := io.ReadAll(os.Stdin)
		return svr.Send(data)
	case "receive":
		cli := kcom.Initcli()
		cli.Port, _ = strconv.Atoi(arguments[0])
		cli.Ipv6 = arguments[1] == "1"
		cli.Close = 10
		data, err := cli.Recieve()
		if err != nil {
			return err
		}
		fmt.Println(cli.Msg)
		fmt.Printf("%x\n", sha256.Sum256(data))
	case "pack":
		port, _ := strconv.Atoi(arguments[0])
		key, _ := hex.DecodeString(arguments[1])
		address, err := kcom.Pack(port, key)
		if err != nil {
			return err
		}
		fmt.Println(address)
	case "unpack":
		port, key, err := kcom.Unpack(arguments[0])
		if err != nil {
			return err
		}
		fmt.Println(port)
		fmt.Println(hex.EncodeToString(key))
	case "defaults":
		svr, cli := kcom.Initsvr(), kcom.Initcli()
		fmt.Printf("%v %d %d [%s]\n", svr.Ipv6, svr.Port, svr.Close, svr.Msg)
		fmt.Printf("%v %d %d [%s]\n", cli.Ipv6, cli.Port, cli.Close, cli.Msg)
	}
	return nil
}
