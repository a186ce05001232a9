// Command plots draws the figures of integrationtests/statedesigns as SVG, with gonum.org/v1/plot.
//
//	go run . -figures FILE -out DIR
//
// FILE is JSON: a list of bar charts. The program knows nothing of what they mean. It has a module of its own, so that the
// plotting library is no requirement of the main one; the command statedesigns runs it.
package main
