'use strict'
// Sets a control by hand for some time, or ends that; says what it costs as soon as PEMS knows.

const { siteOf, listen, worded, guarded } = require('./shared')

const ANSWER_WITHIN_MS = 5000

module.exports = function (RED) {
  function PemsOverride (config) {
    RED.nodes.createNode(this, config)
    const node = this
    const site = siteOf(RED, node, config)
    if (site === null) return
    const waiting = new Map()

    const settle = (place, outputs) => {
      const asked = waiting.get(place)
      if (asked === undefined) return
      clearTimeout(asked.timer)
      waiting.delete(place)
      node.send(outputs(asked))
    }

    listen(node, site, {
      said: (topic, said) => {
        if (said === null) return
        if (topic.startsWith('override/')) {
          const place = `${said.device}/${said.control}`
          const price = said.costs === null ? 'not priced yet' : `costs ${said.costs.toFixed(2)} ${said.currency}`
          node.status({ fill: 'green', shape: 'dot', text: `${place} ${worded(said.value)}, ${price}` })
          const asked = waiting.get(place)
          if (asked && said.value === asked.request.value && said.costs !== null) settle(place, ({ msg }) => [{ ...msg, topic: place, payload: said }, null])
        }
        if (topic === 'error' && said.topic.startsWith('override/')) {
          node.status({ fill: 'red', shape: 'ring', text: said.faults[0].slice(0, 60) })
          for (const place of waiting.keys()) settle(place, ({ msg }) => [null, { ...msg, topic: place, payload: said }])
        }
      }
    })
    node.on('close', () => { for (const { timer } of waiting.values()) clearTimeout(timer) })

    node.on('input', (msg, send, done) => guarded(node, send, done, async () => {
      const said = typeof msg.payload === 'object' && msg.payload !== null ? msg.payload : { value: msg.payload }
      const request = {
        device: said.device || config.device,
        control: said.control || config.control,
        by: said.by || config.by || 'Node-RED'
      }
      if (said.clear === true || msg.topic === 'clear') {
        await site.ask('override/clear', request)
        node.status({ fill: 'grey', shape: 'dot', text: `${request.device}/${request.control} cleared` })
        return
      }
      const time = said.until ? { until: said.until } : { for_minutes: Number(said.for_minutes || config.minutes || 60) }
      const asked = await site.ask('override/set', { ...request, value: said.value, reason: said.reason || config.reason || '', ...time })
      const place = `${request.device}/${request.control}`
      settle(place, () => [null, null])
      const timer = setTimeout(() => settle(place, ({ msg: first }) => [{ ...first, topic: place, payload: { ...asked, costs: null } }, null]), ANSWER_WITHIN_MS)
      waiting.set(place, { msg, request: asked, timer })
    }))
  }
  RED.nodes.registerType('pems-override', PemsOverride)
}
