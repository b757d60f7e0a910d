// Stands for what Ink would load only in development.
export default undefined;
