// The way of a device's commands through Node-RED, the same for each device.

import { button, pems, shown } from './flow.mjs'

/** Groups for one device: what is carried, and the switch between Node-RED and the direct way. */
export const carrying = (device, title) => [
  {
    name: `What PEMS tells ${title}`,
    note: `Only what has passed PEMS's guard comes here, and only if the house file lists ${device} under [nodered] carries
Put nodes of your own between lease and apply to hold something back; what is not applied is told to PEMS as not delivered.`,
    nodes: [
      pems('decision', `${device}: to be carried`, [0, 0], { device, control: '', mode: 'carry', carries: true }, [`${device}: lease`]),
      pems('lease', `${device}: lease`, [1, 0], { device, silence_s: 0 }, [`${device}: apply`, [`${device}: apply`, `${device}: given back`]]),
      pems('apply', `${device}: apply`, [2, 0], {}, [`${device}: carried`]),
      shown(`${device}: carried`, [3, 0]),
      shown(`${device}: given back`, [2, 1], 'payload', true)
    ]
  },
  {
    name: `Who carries ${title}`,
    note: 'The switch is kept over restarts of Node-RED',
    nodes: [
      button(`${device}: through Node-RED`, [0, 0], true, [`${device}: to be carried`]),
      button(`${device}: directly by PEMS`, [0, 1], false, [`${device}: to be carried`])
    ]
  }
]
