// Go's HTTP client and server. usage: calls serve ADDRESS SECONDS | calls call URL SECONDS…
// The server closes after so many idle seconds; the client calls after each of the given idle times.
package main

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"time"
)

func seconds(text string) time.Duration {
	value, err := strconv.ParseFloat(text, 64)
	if err != nil {
		panic(err)
	}
	return time.Duration(value * float64(time.Second))
}

func main() {
	if os.Args[1] == "serve" {
		handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprintln(w, "hello") })
		server := &http.Server{Addr: os.Args[2], IdleTimeout: seconds(os.Args[3]), Handler: handler}
		panic(server.ListenAndServe())
	}
	for _, idle := range os.Args[3:] {
		time.Sleep(seconds(idle))
		response, err := http.Get(os.Args[2])
		if err != nil {
			fmt.Println(err)
			continue
		}
		io.Copy(io.Discard, response.Body)
		response.Body.Close()
		fmt.Println(response.StatusCode)
	}
}
