namespace Vmm.EndToEnd.Tests.Harness;

/// <summary>A guest's serial console.</summary>
internal interface IGuestConsole
{
    /// <summary>Waits for a text after what the last call found, and gives what came before it.</summary>
    Task<string> ExpectAsync(string text, TimeSpan deadline);

    /// <summary>Types.</summary>
    Task TypeAsync(string text);
}
