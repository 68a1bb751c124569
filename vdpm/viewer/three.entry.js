export { BufferAttribute, BufferGeometry, Color, LineSegments, Matrix4, PerspectiveCamera, Points, Scene, ShaderMaterial, Vector3, WebGLRenderer, LinearSRGBColorSpace } from 'three';
export { OrbitControls } from 'three/examples/jsm/controls/OrbitControls.js';
