// Package simnet is a network of in-memory packet connections for tests. Links have a latency and an MTU,
// routers connect them, and a SimConn is a net.PacketConn at the end of a link.
//
// Everything works inside a testing/synctest bubble, where latencies pass in no time: the package
// waits only on channels and on timers that it creates when they are needed, and owns no
// package-level state. Nothing that was created in one bubble may be used in another.
//
// A network of two nodes, 10 ms apart in each direction:
//
//	n := &simnet.Simnet{Router: &simnet.PerfectRouter{}}
//	settings := simnet.NodeBiDiLinkSettings{Latency: 10 * time.Millisecond}
//	client := n.NewEndpoint(&net.UDPAddr{IP: net.IPv4(10, 0, 0, 1), Port: 9001}, settings)
//	server := n.NewEndpoint(&net.UDPAddr{IP: net.IPv4(10, 0, 0, 2), Port: 9002}, settings)
//	if err := n.Start(); err != nil { ... }
//	defer n.Close()
//
// All exported methods may be called from any goroutine.
package simnet
