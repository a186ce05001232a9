// Command qlogview writes one HTML page that shows what qlog files tell of a QUIC connection: packets, congestion
// window, RTT, losses, and a lane for each half of each stream, coloured by its state.
//
// reader.go splits files into records and cannot be led to keep more than a named limit of them, builder.go and the files
// named after its parts turn records into the model, page.go writes the model into the page, page/ is what the browser
// runs. See docs/qlogview.md.
package main
