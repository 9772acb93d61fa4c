export { default as PemsPage } from './PemsPage.vue'
