'use strict'
// What PEMS has decided: to look at, or, after PEMS's own guard, to be carried to the device.

const { siteOf, listen, trouble, span, worded } = require('./shared')

module.exports = function (RED) {
  function PemsDecision (config) {
    RED.nodes.createNode(this, config)
    const node = this
    const site = siteOf(RED, node, config)
    if (site === null) return
    const { device, control, mode } = config
    const context = node.context()
    let carries = mode === 'carry' && context.get('carries') !== false && config.carries !== false
    let last = null

    const badge = () => {
      const why = trouble(site)
      if (why) return node.status({ fill: 'yellow', shape: 'ring', text: why })
      if (mode === 'carry' && !carries) return node.status({ fill: 'grey', shape: 'ring', text: 'PEMS carries it directly' })
      if (last === null) return node.status({ fill: 'grey', shape: 'dot', text: 'nothing yet' })
      const age = span(site.now - last.heard)
      node.status({ fill: 'green', shape: 'dot', text: `${last.said.control}: ${worded(last.said.value, last.said.unit)} (${age})` })
    }
    const offer = () => site.offer(node.id, carries ? [device] : [])
    const take = (said) => {
      if (said === null || (device && said.device !== device) || (control && said.control !== control)) return
      if (last !== null && last.said.id === said.id && mode !== 'carry') return
      last = { said, heard: site.now }
      const decided = site.house.devices[said.device] && site.house.devices[said.device].decisions[said.control]
      const { value, unit, reason } = { ...decided, ...said }
      last.said = { ...said, value, unit }
      node.send({ topic: `${said.device}/${said.control}`, payload: value, unit, reason, pems: said })
      badge()
    }

    listen(node, site, {
      said: (topic, said) => { if (topic.startsWith(mode === 'carry' ? 'carry/' : 'decision/') && (mode !== 'carry' || carries)) take(said) },
      tick: badge,
      change: () => {}
    })
    if (mode === 'carry') offer()
    badge()

    node.on('input', (msg, send, done) => {
      if (mode !== 'carry' || typeof msg.payload !== 'boolean') {
        done(new Error(`pems-decision: found ${JSON.stringify(msg.payload)}; allowed: true or false, whether Node-RED carries ${device || 'a device'}`))
        return
      }
      carries = msg.payload
      context.set('carries', carries)
      offer()
      badge()
      done()
    })
    node.on('close', (done) => site.offer(node.id, []).then(() => done()))
  }
  RED.nodes.registerType('pems-decision', PemsDecision)
}
