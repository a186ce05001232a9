package main

import (
	"context"
	"flag"
	"fmt"
	"log"
	"net"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/quic-go/quic-go/interop/link"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx); err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context) error {
	listen := flag.String("listen", "127.0.0.1:0", "the `address` for the clients")
	server := flag.String("server", "", "the `address` of the server")
	addrs := flag.String("rebind-addrs", "", "`addresses` of this machine that the NAT takes in turn, with commas between them")
	var o link.Options
	flag.Uint64Var(&o.Seed, "seed", 1, "begin of the random numbers")
	flag.DurationVar(&o.Delay, "delay", 0, "delay in each direction")
	flag.IntVar(&o.Rate, "rate", 0, "bit/s of the bottleneck")
	flag.Float64Var(&o.Loss, "loss", 0, "share of lost datagrams")
	flag.Float64Var(&o.Corrupt, "corrupt", 0, "share of corrupted datagrams")
	flag.DurationVar(&o.On, "on", 0, "how long the link works until it is dead")
	flag.DurationVar(&o.Off, "off", 0, "how long it is dead until it works again")
	flag.IntVar(&o.DropFirst, "drop-first", 0, "how many datagrams to lose behind the first one from a client")
	flag.DurationVar(&o.RebindAfter, "rebind-after", 0, "when the NAT changes the address of the client")
	flag.DurationVar(&o.RebindEvery, "rebind-every", 0, "when it does so again and again")
	flag.Parse()
	for _, a := range strings.FieldsFunc(*addrs, func(r rune) bool { return r == ',' }) {
		ip := net.ParseIP(a)
		if ip == nil {
			return fmt.Errorf("address %q", a)
		}
		o.RebindAddrs = append(o.RebindAddrs, ip)
	}
	to, err := net.ResolveUDPAddr("udp", *server)
	if err != nil {
		return err
	}
	from, err := net.ResolveUDPAddr("udp", *listen)
	if err != nil {
		return err
	}
	conn, err := net.ListenUDP("udp", from)
	if err != nil {
		return err
	}
	l, err := link.New(conn, to, o)
	if err != nil {
		return err
	}
	fmt.Println(l.Addr())
	<-ctx.Done()
	fmt.Fprintf(os.Stderr, "%d times another address\n", l.Rebound())
	return l.Close()
}
