'use strict'
// What was measured: one point, or all points of a device.

const { siteOf, listen, trouble, worded } = require('./shared')

module.exports = function (RED) {
  function PemsState (config) {
    RED.nodes.createNode(this, config)
    const node = this
    const site = siteOf(RED, node, config)
    if (site === null) return
    const { device, point } = config

    const state = () => device === 'site' ? site.house.siteState : (site.house.devices[device] || {}).state
    const badge = () => {
      const why = trouble(site)
      const found = state() && state().points[point]
      if (why) return node.status({ fill: 'yellow', shape: 'ring', text: why })
      if (!state() || (point && !found)) return node.status({ fill: 'grey', shape: 'dot', text: 'nothing yet' })
      if (!point) return node.status({ fill: 'green', shape: 'dot', text: `${Object.keys(state().points).length} points` })
      const good = found.quality === 'good'
      node.status({ fill: good ? 'green' : 'yellow', shape: good ? 'dot' : 'ring', text: `${worded(found.value, found.unit)}${good ? '' : ', ' + found.quality}` })
    }
    listen(node, site, {
      said: (topic, said) => {
        if (said === null || topic !== `state/${device}`) return
        if (!point) node.send({ topic: device, payload: said.points, pems: said })
        else if (said.points[point]) node.send({ topic: `${device}/${point}`, payload: said.points[point].value, ...meta(said.points[point]) })
        badge()
      },
      tick: badge
    })
    badge()
  }

  function meta ({ unit, quality, age_s: age, measured_at: measured }) {
    return { unit, quality, age_s: age, measured_at: measured }
  }
  RED.nodes.registerType('pems-state', PemsState)
}
