package core

// Pack and Unpack: a port and a key in one string. Not here: the use of the key, which is up to the application. Spec:
// "Address".

import "strconv"

const (
	keySize   = 48
	hexDigits = "0123456789abcdef"
)

// Pack returns the address of a port from 1 to 65535 and a key of 1, 2, 3, 4, 6, 8, 12, 16, 24 or 48 bytes
// (`address.form`, `address.canonical`). Errors: ErrInvalidPort, then ErrInvalidKey (`address.pack-reject`).
func Pack(port int, key []byte) (string, error) {
	if err := CheckPort(port, 1); err != nil {
		return "", err
	}
	if !dividesKey(len(key)) {
		return "", &Error{Name: ErrInvalidKey, Detail: "got a key of " + strconv.Itoa(len(key)) +
			" bytes, expected 1, 2, 3, 4, 6, 8, 12, 16, 24 or 48"}
	}
	address := strconv.AppendInt(make([]byte, 0, 5+3*keySize), int64(port), 10)
	for _, octet := range key {
		address = append(address, '.', hexDigits[octet>>4], hexDigits[octet&15])
	}
	defer wipe(address)
	return string(address), nil
}

// Unpack returns the port and the 48 bytes of key that the groups, repeated, come to (`address.expand`). Any other
// string is ErrInvalidAddress (`address.reject`); the error does not show the text, which may hold a key.
func Unpack(address string) (port int, key []byte, err error) {
	digits := 0
	for digits < len(address) && address[digits] >= '0' && address[digits] <= '9' && digits < 6 {
		port = 10*port + int(address[digits]-'0')
		digits++
	}
	groups, odd := (len(address)-digits)/3, (len(address)-digits)%3
	if digits == 0 || address[0] == '0' || port > 65535 || odd != 0 || !dividesKey(groups) {
		return 0, nil, notAnAddress(address)
	}
	key = make([]byte, 0, keySize)
	for at := digits; at < len(address); at += 3 {
		high, low := hexValue(address[at+1]), hexValue(address[at+2])
		if address[at] != '.' || high > 15 || low > 15 {
			wipe(key)
			return 0, nil, notAnAddress(address)
		}
		key = append(key, high<<4|low)
	}
	for len(key) < keySize {
		key = append(key, key[len(key)-groups])
	}
	return port, key, nil
}

// CheckPort returns ErrInvalidPort unless least <= port <= 65535 (`listen.port`).
func CheckPort(port, least int) error {
	if port < least || port > 65535 {
		return &Error{Name: ErrInvalidPort, Detail: "got port " + strconv.Itoa(port) + ", expected " + strconv.Itoa(least) +
			" to 65535"}
	}
	return nil
}

// wipe overwrites memory that held part of a key.
func wipe(octets []byte) {
	for i := range octets {
		octets[i] = 0
	}
}

func dividesKey(size int) bool { return size > 0 && keySize%size == 0 }

func notAnAddress(text string) error {
	return &Error{Name: ErrInvalidAddress, Detail: "got a text of " + strconv.Itoa(len(text)) + " bytes that is not PORT.HH.HH…"}
}

// hexValue returns the value of a digit of either case, or more than 15 if it is not a digit (`address.case`).
func hexValue(digit byte) byte {
	switch {
	case digit >= '0' && digit <= '9':
		return digit - '0'
	case digit|0x20 >= 'a' && digit|0x20 <= 'f':
		return digit | 0x20 - 'a' + 10
	}
	return 255
}
