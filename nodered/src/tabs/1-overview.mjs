import { pems, shown, tab } from '../flow.mjs'

export default tab('Overview', `
What PEMS measures and has decided, at a glance. The badge below each node tells its newest value.

- **Battery and inverter**, **Heating**: what Node-RED carries to the devices, and the switch between Node-RED and the direct way
- **Export**: feed-in
- **Safety**: emergency stop, alerts, what happens when PEMS falls silent
- **Diagnostics**: what was carried, what was refused, errors of flows
- **Pages**: what the dashboard shows
`, [
  {
    name: 'What is measured',
    note: 'Take any of these as the start of a flow of your own',
    nodes: [
      pems('state', 'state of charge', [0, 0], { device: 'inverter', point: 'soc' }, ['newest value']),
      pems('state', 'PV', [0, 1], { device: 'inverter', point: 'pv_kw' }, ['newest value']),
      pems('state', 'import', [0, 2], { device: 'inverter', point: 'import_kw' }, ['newest value']),
      pems('state', 'export', [0, 3], { device: 'inverter', point: 'export_kw' }, ['newest value']),
      pems('state', 'outdoor temperature', [0, 4], { device: 'site', point: 'outdoor_temperature_c' }, ['newest value']),
      shown('newest value', [2, 2])
    ]
  },
  {
    name: 'What is decided',
    note: 'To look at: what is to be carried to a device comes on the tab of that device',
    nodes: [
      pems('decision', 'inverter', [0, 0], { device: 'inverter', control: '', mode: 'show' }, ['decisions']),
      pems('decision', 'heating', [0, 1], { device: 'heating', control: '', mode: 'show' }, ['decisions']),
      shown('decisions', [2, 0], 'true')
    ]
  }
])
